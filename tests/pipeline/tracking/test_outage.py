import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline import publish
from pipeline.tracking import runs
from seq2sum.errors import UserError
from tests.pipeline.tracking.project import TRAIN_KEY, start_trainer
from tests.servers import MlflowServer, wait_for

LAST_STEP = 200


@pytest.fixture
def server(tmp_path: Path, empty_database: Path) -> Iterator[MlflowServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    running = MlflowServer(folder, f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    yield running
    running.kill()


@pytest.mark.slow
def test_no_point_is_lost_or_doubled_when_server_and_trainer_are_killed(
    project: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is killed, then the trainer; both come back, the server hangs, the training ends, and publish closes
    the run, at the second attempt, for the server is killed in the first."""
    client = MlflowClient(server.uri)
    run_id = ""

    def history(key: str) -> list[tuple[int, float]]:
        return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))

    def has_begun() -> bool:
        experiment = client.get_experiment_by_name("seq2sum")
        return experiment is not None and bool(client.search_runs([experiment.experiment_id]))

    first = start_trainer(project, range(1, 100_000), 0.05, "finish", server.uri)
    wait_for(has_begun, 240)
    run_id = runs.find_or_make_run(client, TRAIN_KEY)
    wait_for(lambda: history("train/loss"), 240)
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
    wait_for(lambda: any(step > reached for step, _ in history("train/loss")), 240)
    server.signal(signal.SIGSTOP)
    try:
        slowest_step, _ = second.communicate()
    finally:
        server.signal(signal.SIGCONT)
    assert second.returncode == 0
    assert float(slowest_step) < 0.5

    (project / "reports/journal.jsonl").write_bytes((checkpoints / "journal.jsonl").read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    upload = publish._upload_files

    def killed(*arguments: Any) -> None:
        """The server dies when the points and scores have arrived, but neither files nor version."""
        server.kill()
        upload(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(publish, "_upload_files", killed)
        with pytest.raises(UserError, match="Is it up"):
            publish.publish(publish.read_results())
    server.start()
    published = publish.publish(publish.read_results())
    assert (published.run_id, published.is_new) == (run_id, True)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert len(history("test/rouge1")) == 1
    assert history("train/loss") == [(step, 1 / step) for step in range(1, last + 1)]
    assert [step for step, _ in history("pace/tokens_per_second")] == [*range(1, last + 1)]
    again = publish.publish(publish.read_results())
    assert (again.version.number, again.is_new) == ("1", False)
    assert len(history("train/loss")) == last
    log = (checkpoints / "follow.log").read_text()
    assert "not sent for now" in log
    assert "Traceback" not in log
    assert json.loads((checkpoints / "outbox.jsonl").read_text().splitlines()[0])["point"][1] == 1
