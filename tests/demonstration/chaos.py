"""Kills parts of a running factory at random moments: `make chaos ROUNDS=50`.

A Prefect server on PostgreSQL (Debian's packages), a worker with one device, two training runs a round. A part is
killed, started again if it is one that an administrator would start again, and the round ends when both runs are over.
In each round: never two trainings on one device, nothing left of a run, the lease free, both runs Completed, and one
result, that of a training which nothing interrupts. Before them a round with a training that hangs for longer than the
healer waits, which must not be taken for dead.
"""

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from pipeline.flows.healing import SILENT_SECONDS
from pipeline.flows.lease import LEASE_VARIABLE
from tests.flows.stand_in import expected_result, make_stand_in
from tests.servers import PrefectServer, postgres, prefect_database, wait_for

VICTIMS = ("trainer", "dvc", "flow", "worker", "machine", "server")
# Of this process alone: whoever gets a device ends what else is on it.
DEVICE = f"fake{os.getpid()}"
# The silence that the healer waits for, the lease, and two trainings on a slow machine.
ROUND_SECONDS = 900.0


class Factory:
    """The parts, in ``folder``; those that a round kills can be started again. ``database``: the server's."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.project = folder / "project"
        make_stand_in(self.project)
        (folder / "server").mkdir()
        self.server = PrefectServer(folder / "server", database)
        self._log = folder / "worker.log"
        self.environment = self.server.environment | {
            "PYTHONPATH": f"{self.project / 'src'}:{self.project}", "SEQ2SUM_DEVICES": DEVICE, "SEQ2SUM_DEVICE": "cpu",
            "SEQ2SUM_TRACKING": "off", "OMP_NUM_THREADS": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }  # fmt: skip
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Deploys the flows and starts the worker."""
        for command in (["-m", "pipeline.flows.healing"], ["-m", "prefect", "--no-prompt", "deploy", "--all"]):
            environment = self.environment | {"PWD": str(self.project)}
            done = subprocess.run(
                [sys.executable, *command],
                cwd=self.project,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        self.start_worker()

    def start_worker(self) -> None:
        command = ["worker", "start", "--pool", "gpu", "--name", "w"]
        with self._log.open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "prefect", *command],
                cwd=self.project, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def find(self, *words: str) -> list[psutil.Process]:
        """Python processes of this factory whose command line has ``words`` in a row."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if (
                    line
                    and "python" in Path(line[0]).name
                    and any(tuple(line[at : at + len(words)]) == words for at in range(len(line)))
                    and process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get("PREFECT_API_URL") == self.server.api
                ):
                    found.append(process)
        return found

    def flows(self) -> list[psutil.Process]:
        """The processes that run flows, not what these start."""
        found = []
        for process in self.find():
            with contextlib.suppress(psutil.Error):
                if "PREFECT__FLOW_RUN_ID" in process.environ() and "prefect" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Kept by us, so that none is searched for."""
        return [psutil.Process(self.worker.pid)] if self.worker else []

    def trainers(self) -> list[psutil.Process]:
        return self.find("-m", "pipeline.stages.train")

    def kill(self, victim: str) -> int:
        """Kills it with SIGKILL; how many processes that were. What an administrator would is started again."""
        if victim == "server":
            self.server.kill()
            time.sleep(2)
            self.server.start()
            return 1
        chosen = {
            "trainer": self.trainers, "dvc": lambda: self.find("-m", "dvc"), "flow": self.flows,
            "worker": self.workers, "machine": lambda: [*self.workers(), *self.flows()],
        }[victim]()  # fmt: skip
        for process in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if victim in ("worker", "machine"):
            assert self.worker
            self.worker.wait()
            self.start_worker()
        return len(chosen)

    def hang(self, seconds: float) -> None:
        """Stops the training for so long."""
        (trainer,) = self.trainers()
        trainer.suspend()
        time.sleep(seconds)
        trainer.resume()

    def stop(self) -> None:
        """Ends all parts."""
        if self.worker:
            self.worker.kill()
            self.worker.wait()
        for process in self.flows():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.server.kill()


@contextlib.contextmanager
def crowding(factory: Factory) -> Iterator[list[int]]:
    """Looks all the while how many trainings hold the device; collects the numbers above one."""
    crowds, over = list[int](), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            holders = Counter[str]()
            for process in factory.trainers():
                with contextlib.suppress(psutil.Error):
                    holders[process.environ().get(LEASE_VARIABLE, "none")] += 1
            crowds.extend(number for number in holders.values() if number > 1)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield crowds
    finally:
        over.set()
        thread.join()


def play_slow_round(factory: Factory, seconds: float) -> str:
    """A training that hangs for ``seconds`` ends by itself, as the run that it was."""
    with temporary_settings({PREFECT_API_URL: factory.server.api}):
        (run,) = start_runs(["train.seed=0"])
        wait_for(factory.trainers, ROUND_SECONDS)
        factory.hang(seconds)
        wait_for(lambda: states([run]) == ["COMPLETED"], ROUND_SECONDS)
        with get_client(sync_client=True) as client:
            names = [state.name for state in client.read_flow_run_states(run)]
    assert names[-2:] == ["Running", "Completed"], names
    return f"training that hung for {seconds:.0f} s: {' → '.join(names)}"


def start_runs(overrides: list[str]) -> list[UUID]:
    """A run of the training flow for each."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("train/train")
        return [
            client.create_flow_run_from_deployment(deployment.id, parameters={"overrides": [one]}, state=Scheduled()).id
            for one in overrides
        ]


def play_round(factory: Factory, victim: str, delay: float, seed: int) -> str:
    """One round, ``delay`` seconds from the first training's start to the kill; asserts what must hold."""
    shutil.rmtree(factory.project / ".dvc/cache", ignore_errors=True)
    shutil.rmtree(factory.project / ".cache/checkpoints", ignore_errors=True)
    shutil.rmtree(factory.project / ".cache/registry", ignore_errors=True)
    with temporary_settings({PREFECT_API_URL: factory.server.api}), crowding(factory) as crowds:
        runs = start_runs([f"train.seed={seed}", f"train.seed={seed + 1}"])
        wait_for(lambda: list((factory.project / ".cache/checkpoints").glob("*/starts")), ROUND_SECONDS)
        time.sleep(delay)
        began = time.monotonic()
        # Between the two trainings there is none for a moment.
        num_killed = 0
        while not num_killed and "UNKNOWN" not in (known := states(runs)) and set(known) != {"COMPLETED"}:
            num_killed = factory.kill(victim)
        wait_for(lambda: all(state in ("COMPLETED", "FAILED") for state in states(runs)), ROUND_SECONDS)
        healed = time.monotonic() - began
        assert states(runs) == ["COMPLETED", "COMPLETED"]
        wait_for(lambda: slots() == 0, 90)
        # A run that was reported as crashed twice has another process, which finds it over.
        wait_for(lambda: not factory.flows(), 120)
    assert crowds == [], f"{max(crowds)} trainings on one device"
    left = [process.cmdline() for process in [*factory.trainers(), *factory.find("-m", "dvc")]]
    assert left == [], left
    registry = factory.project / ".cache/registry"
    results = [path.name for path in registry.iterdir()]
    assert results == [expected_result()], results
    checkpoints = sorted((factory.project / ".cache/checkpoints").glob("*/starts"))
    assert {path.parent.name for path in checkpoints} == {str(seed), str(seed + 1)}, "a run that was over ran again"
    starts = [path.read_text().split() for path in checkpoints]
    killed = f"{victim} killed {delay:.1f} s into the training ({num_killed} processes)"
    return f"{killed}: both over {healed:.0f} s later, trainings started at steps {starts}"


def states(runs: list[UUID]) -> list[str]:
    """Of the runs, or nothing known while the server is away."""
    found = []
    for run in runs:
        try:
            with get_client(sync_client=True) as client:
                found.append(client.read_flow_run(run).state.type.value)
        except Exception:
            found.append("UNKNOWN")
    return found


def slots() -> int:
    """How many slots of devices are taken."""
    with get_client(sync_client=True) as client:
        return sum(limit.active_slots for limit in client.read_global_concurrency_limits())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    rng = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="seq2sum-chaos-"))
    with postgres(secrets.token_urlsafe(12)) as store:
        factory = Factory(folder, prefect_database(store))
        try:
            factory.start()
            print(play_slow_round(factory, 1.5 * SILENT_SECONDS), flush=True)
            for number in range(1, arguments.rounds + 1):
                # Every victim in turn, so that few rounds see them all.
                victim = VICTIMS[(number - 1) % len(VICTIMS)]
                print(f"round {number}: {play_round(factory, victim, rng.uniform(0, 5), 2 * number)}", flush=True)
        except BaseException:
            print(f"the logs are in {folder}", file=sys.stderr)
            raise
        finally:
            factory.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
