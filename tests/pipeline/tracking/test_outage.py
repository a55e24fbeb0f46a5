import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import publish
from pipeline.tracking import runs
from tests.pipeline.tracking.project import TRAIN_KEY, environment, start_trainer

LAST_STEP = 200


class Server:
    """A tracking server on loopback that can be killed, started again and stopped for a while."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        files = ["--artifacts-destination", str(self._folder / "artifacts")]
        where = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *files, *where],
            cwd=self._folder,
            env=environment("") | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self._is_up, 120)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path, empty_database: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    running = Server(folder)
    yield running
    running.kill()


@pytest.mark.slow
def test_no_point_is_lost_or_doubled_when_server_and_trainer_are_killed(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is killed, then the trainer; both come back, the server hangs, the training ends; publish closes."""
    client = MlflowClient(server.uri)
    run_id = ""

    def history(key: str) -> list[tuple[int, float]]:
        return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))

    def has_begun() -> bool:
        experiment = client.get_experiment_by_name("seq2sum")
        return experiment is not None and bool(client.search_runs([experiment.experiment_id]))

    first = start_trainer(project, range(1, 100_000), 0.05, "finish", server.uri)
    wait_for(has_begun, 60)
    run_id = runs.find_or_make_run(client, TRAIN_KEY)
    wait_for(lambda: history("train/loss"), 60)
    server.kill()
    time.sleep(1)
    first.kill()
    first.communicate()
    checkpoints = project / ".cache/checkpoints" / TRAIN_KEY
    reached = len((checkpoints / "journal.jsonl").read_text().splitlines())
    assert reached > 20

    server.start()
    # Back to a checkpoint: what was written after it, the killed trainer's last points too, is written once more.
    kept = (checkpoints / "journal.jsonl").read_text().splitlines(keepends=True)[: reached - 15]
    (checkpoints / "journal.jsonl").write_text("".join(kept))
    last = reached + LAST_STEP
    second = start_trainer(project, range(len(kept) + 1, last + 1), 0.05, "finish", server.uri)
    wait_for(lambda: any(step > reached for step, _ in history("train/loss")), 90)
    server.signal(signal.SIGSTOP)
    try:
        slowest_step, _ = second.communicate()
    finally:
        server.signal(signal.SIGCONT)
    assert second.returncode == 0
    assert float(slowest_step) < 0.5

    (project / "reports/journal.jsonl").write_bytes((checkpoints / "journal.jsonl").read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    published = publish.publish(publish.read_results())
    assert (published.run_id, published.is_new) == (run_id, True)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert history("train/loss") == [(step, 1 / step) for step in range(1, last + 1)]
    assert [step for step, _ in history("pace/tokens_per_second")] == [*range(1, last + 1)]
    again = publish.publish(publish.read_results())
    assert (again.version.number, again.is_new) == ("1", False)
    assert len(history("train/loss")) == last
    log = (checkpoints / "follow.log").read_text()
    assert "not sent for now" in log
    assert "Traceback" not in log
    assert json.loads((checkpoints / "outbox.jsonl").read_text().splitlines()[0])["point"][1] == 1
