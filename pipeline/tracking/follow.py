"""Follows a training's journals and streams their points to MLflow, best-effort: `python -m pipeline.tracking.follow`.

It runs beside the trainer at the lowest priority, ends soon after it, and closes the run with the training's true
status. A server that is down or hangs costs it points for a while, never the trainer anything: what could not be sent
is stamped in the outbox, for its next attempt or for `publish`.
"""

import argparse
import contextlib
import logging
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline import lineage, paths
from pipeline.tracking import connection, runs
from pipeline.tracking.journal import JOURNAL_NAME, PACE_NAME, Point, read_growing_journal
from pipeline.tracking.live import OUTCOME_NAME
from pipeline.tracking.outbox import Outbox, opened_outbox

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("follow")

POLL_SECONDS = 2.0
RETRY_SECONDS = 10.0
SAMPLE_SECONDS = 15.0
# After the training's end, the server gets this long to take the rest.
DRAIN_SECONDS = 20.0
# A follower of the same training's earlier, killed attempt may still be draining.
LOCK_SECONDS = 90.0
TRAINER_TAG = "trainer"
# Sections that say how a model is judged.
JUDGING = ("evaluate.", "promote.")
OUTCOMES = ("FINISHED", "FAILED", "KILLED")


class Trainer:
    """A training process of this machine, known by its id and start time, since ids are used again."""

    def __init__(self, pid: int) -> None:
        self.tag = f"{socket.gethostname()} {pid} {_start_time(pid)}"
        self._process = psutil.Process(pid) if self.is_running() else None

    def is_running(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return bool(is_running(self.tag))

    def usage(self, seconds: int) -> list[Point]:
        """Its share of one core since the last call, in percent, its memory and its GPUs', as points at ``seconds``."""
        if self._process is None:
            return []
        try:
            load, memory = self._process.cpu_percent(), self._process.memory_info().rss
        except psutil.Error:
            return []
        return [
            Point("system/trainer_cpu_percent", seconds, load),
            Point(runs.TRAINER_MEMORY, seconds, memory / 2**30),
            *_gpu_usage(seconds),
        ]


def _gpu_usage(seconds: int) -> list[Point]:
    """Load and memory of each GPU that the training may use; nothing for one that does not tell."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    query = ("nvidia-smi", "--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
    points = []
    for line in lineage.output_of(*query, *(("--id", chosen) if chosen else ())).splitlines():
        with contextlib.suppress(ValueError):
            index, load, mebibytes = (int(field) for field in line.split(","))
            points.append(Point(f"system/gpu{index}_percent", seconds, load))
            points.append(Point(f"system/gpu{index}_memory_gib", seconds, mebibytes / 1024))
    return points


def _start_time(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def is_running(trainer_tag: str) -> bool | None:
    """Whether the process that a run's trainer tag names still runs; None for one of another host."""
    host, pid, started = trainer_tag.rsplit(" ", 2)
    if host != socket.gethostname():
        return None
    return started != "None" and str(_start_time(int(pid))) == started


def outcome_of(train_key: str) -> str | None:
    """How this machine's last training of that key ended, by its own word; None if it left none."""
    return _written_outcome(paths.CHECKPOINTS / train_key)


class NotOursError(Exception):
    """Another process sends this training's curves."""


class LiveRun:
    """The run of one training while it goes on. Every method may raise what MLflow raises and be called again.

    One trainer at a time has the run, the one that its tag names: if two machines train the same, only one sends.
    All raise NotOursError for the other.
    """

    def __init__(self, client: "MlflowClient", train_key: str, trainer: Trainer) -> None:
        self._client = client
        self._tag = trainer.tag
        self.run_id = runs.find_or_make_run(client, train_key)
        run = client.get_run(self.run_id)
        other = run.data.tags.get(TRAINER_TAG, self._tag)
        if other != self._tag and run.info.status == "RUNNING" and runs.is_alive(client, run, is_running(other)):
            raise NotOursError(f"the trainer {other} does it")
        runs.set_tags(client, self.run_id, {TRAINER_TAG: self._tag} | lineage.flow_run_tag())
        client.update_run(self.run_id, status="RUNNING")
        runs.close_dead_runs(client, TRAINER_TAG, is_running, outcome_of)
        origin = lineage.code_tags() | lineage.environment_lock_tag() | lineage.machine_tags()
        runs.set_missing_tags(client, self.run_id, origin)
        if paths.DVC_LOCK.exists():
            # DVC has written down what the stages before the training made.
            data = lineage.tracked_files(paths.DVC_LOCK, lineage.JUDGING)
            runs.log_inputs(client, self.run_id, lineage.data_inputs(data))
        # How a model is judged may change after its training and is left to `publish`.
        params = lineage.flat_params(paths.PARAMS).items()
        runs.log_params(client, self.run_id, {key: value for key, value in params if not key.startswith(JUDGING)})
        self._sender = runs.PointSender(client, self.run_id)

    def send(self, outbox: Outbox) -> None:
        """Sends what the server lacks."""
        run = self._client.get_run(self.run_id)
        if run.data.tags.get(TRAINER_TAG) != self._tag:
            raise NotOursError(f"the trainer {run.data.tags.get(TRAINER_TAG)} does it")
        if run.info.status != "RUNNING":
            # It was long silent, and taken for dead.
            self._client.update_run(self.run_id, status="RUNNING")
        self._sender.send(outbox)

    def close(self, status: str) -> None:
        """Gives the run its final status."""
        self._client.set_terminated(self.run_id, status)


def follow(folder: Path, train_key: str, trainer: Trainer) -> None:
    """Streams the journals in ``folder`` until the training is over and its points are sent or can't be."""
    live: LiveRun | None = None
    over_at: float | None = None
    sample_at = time.monotonic()
    with opened_outbox(folder, LOCK_SECONDS) as outbox:
        while True:
            # Asked before reading, so that what was written until then is read after.
            outcome = _outcome(folder, trainer)
            outbox.add([*read_growing_journal(folder / JOURNAL_NAME), *read_growing_journal(folder / PACE_NAME)])
            if outcome is None and time.monotonic() > sample_at:
                # Seconds since the training's first point, so that a resumed training's come after.
                outbox.add(trainer.usage(outbox.seconds()))
                sample_at = time.monotonic() + SAMPLE_SECONDS
            pause = POLL_SECONDS
            try:
                live = live or LiveRun(connection.connect(may_create=True), train_key, trainer)
                live.send(outbox)
                if outcome:
                    live.close(outcome)
                    return
            except Exception as error:
                # Ours again when the other is gone.
                live = None if isinstance(error, NotOursError) else live
                log.warning("not sent for now: %s", connection.without_password(str(error)))
                pause = RETRY_SECONDS if outcome is None else POLL_SECONDS
            if outcome:
                over_at = over_at or time.monotonic()
                if time.monotonic() - over_at > DRAIN_SECONDS:
                    log.warning("given up; `publish` will send the rest")
                    return
            time.sleep(pause)


def _outcome(folder: Path, trainer: Trainer) -> str | None:
    """How the training ended, or None while it goes on. A trainer that is gone without a word was killed."""
    running = trainer.is_running()
    return _written_outcome(folder) or (None if running else "KILLED")


def _written_outcome(folder: Path) -> str | None:
    try:
        outcome = (folder / OUTCOME_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return outcome if outcome in OUTCOMES else None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the training's checkpoint folder")
    parser.add_argument("--key", required=True, help="the train key, which names the run")
    parser.add_argument("--pid", required=True, type=int, help="the trainer's process id")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    os.nice(19)
    # One short attempt at a time; the loop is what repeats.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "5"
    follow(arguments.folder, arguments.key, Trainer(arguments.pid))


if __name__ == "__main__":
    main()
