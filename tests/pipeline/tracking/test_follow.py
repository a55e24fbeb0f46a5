import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from pipeline import publish
from pipeline.tracking import connection, runs
from pipeline.tracking import follow as following
from pipeline.tracking.follow import NotOursError, Trainer, follow, is_running
from pipeline.tracking.journal import Point
from pipeline.tracking.live import OUTCOME_NAME, live_curves
from pipeline.tracking.outbox import opened_outbox
from seq2sum.files import sha256_of
from tests.pipeline.tracking.project import TRAIN_KEY, environment, journal_lines, write_lines


@pytest.fixture
def checkpoints(project: Path) -> Path:
    return project / ".cache/checkpoints" / TRAIN_KEY


def dead_trainer() -> Trainer:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    trainer = Trainer(process.pid)
    assert trainer.is_running()
    process.communicate()
    return trainer


def steps_of(client: MlflowClient, key: str) -> list[int]:
    return sorted(metric.step for metric in client.get_metric_history(runs.find_or_make_run(client, TRAIN_KEY), key))


@pytest.mark.parametrize("outcome", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_as_its_training_ended(client: MlflowClient, checkpoints: Path, outcome: str) -> None:
    write_lines(checkpoints / "journal.jsonl", journal_lines(range(3)[1:]))
    write_lines(checkpoints / "pace.jsonl", [{"step": 1, "values": {"pace/elapsed_seconds": 2.0}}])
    (checkpoints / OUTCOME_NAME).write_text(outcome)
    follow(checkpoints, TRAIN_KEY, Trainer(os.getpid()))
    run = client.get_run(runs.find_or_make_run(client, TRAIN_KEY))
    assert run.info.status == outcome
    assert steps_of(client, "train/loss") == steps_of(client, "validation/loss") == [1, 2]
    assert steps_of(client, "pace/elapsed_seconds") == [1]
    encoder_size = yaml.safe_load(Path("params.yaml").read_text())["train"]["model"]["encoder_size"]
    assert run.data.params["train.model.encoder_size"] == str(encoder_size)
    assert not any(key.startswith(("evaluate.", "promote.")) for key in run.data.params)


def test_a_running_training_says_already_where_it_comes_from(client: MlflowClient, checkpoints: Path) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    # What the evaluation before read, which may be of other data than this training's.
    stale = {"path": "data/split/test.parquet", "md5": "e" * 32, "hash": "md5", "size": 3}
    lock["stages"]["evaluate"]["deps"] = [stale]
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    run_id = following.LiveRun(client, TRAIN_KEY, Trainer(os.getpid())).run_id
    run = client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.data.tags["environment_lock_sha256"] == sha256_of(Path("requirements/lock.txt"))
    learnt_from = {"data/split/train.parquet": "t" * 32, "data/split/val.parquet": "v" * 32}
    assert runs.input_digests(client, run_id) == learnt_from
    # The results' own lock file is there when they are.
    assert "dvc_lock_sha256" not in run.data.tags
    Path("requirements/lock.txt").write_text("torch==2.14.0\n")
    publish.publish(publish.read_results())
    assert client.get_run(run_id).data.tags["environment_lock_sha256"] == run.data.tags["environment_lock_sha256"]


def test_a_training_outside_of_dvc_is_followed_too(client: MlflowClient, checkpoints: Path) -> None:
    Path("dvc.lock").unlink()
    (checkpoints / OUTCOME_NAME).parent.mkdir(parents=True, exist_ok=True)
    (checkpoints / OUTCOME_NAME).write_text("FINISHED")
    follow(checkpoints, TRAIN_KEY, Trainer(os.getpid()))
    assert client.get_run(runs.find_or_make_run(client, TRAIN_KEY)).info.status == "FINISHED"


def test_a_run_whose_publisher_was_killed_is_closed_by_the_next_training(
    client: MlflowClient, project: Path, checkpoints: Path
) -> None:
    died = "import os; from pipeline import publish; publish._upload_files = lambda *_: os.kill(os.getpid(), 9)"
    done = subprocess.run(
        [sys.executable, "-c", f"{died}; publish.main()"],
        cwd=project,
        env=environment(f"sqlite:///{project}/mlflow.db"),
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    left = runs.find_or_make_run(client, TRAIN_KEY)
    assert client.get_run(left).info.status == "RUNNING"
    follow(checkpoints, "another", dead_trainer())
    assert client.get_run(left).info.status == "KILLED"


def test_a_training_whose_end_the_server_missed_gets_the_status_that_it_wrote_down(
    client: MlflowClient, checkpoints: Path
) -> None:
    missed = runs.find_or_make_run(client, TRAIN_KEY)
    runs.set_tags(client, missed, {following.TRAINER_TAG: dead_trainer().tag})
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / OUTCOME_NAME).write_text("FAILED")
    follow(checkpoints.with_name("another"), "another", dead_trainer())
    assert client.get_run(missed).info.status == "FAILED"


def test_a_trainers_load_and_memory_are_measured_as_long_as_it_lives() -> None:
    usage = {point.key: (point.step, point.value) for point in Trainer(os.getpid()).usage(7)}
    step, gib = usage["system/trainer_memory_gib"]
    assert step == 7
    assert 0.01 < gib < 100
    assert usage["system/trainer_cpu_percent"][1] >= 0
    assert dead_trainer().usage(7) == []


def test_a_trainer_gone_without_a_word_was_killed_and_goes_on_in_the_same_run(
    client: MlflowClient, checkpoints: Path
) -> None:
    journal = checkpoints / "journal.jsonl"
    write_lines(journal, journal_lines(range(1, 6)))
    journal.write_text(journal.read_text() + '{"step": 6, "phase": "likelih')
    follow(checkpoints, TRAIN_KEY, dead_trainer())
    run_id = runs.find_or_make_run(client, TRAIN_KEY)
    assert client.get_run(run_id).info.status == "KILLED"
    # The resumed training goes back to its checkpoint at step 3 and writes the steps after it again.
    write_lines(journal, journal_lines(range(1, 9)))
    (checkpoints / OUTCOME_NAME).write_text("FINISHED")
    follow(checkpoints, TRAIN_KEY, Trainer(os.getpid()))
    assert runs.find_or_make_run(client, TRAIN_KEY) == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    assert steps_of(client, "train/loss") == [*range(1, 9)]


def test_a_server_that_is_away_is_given_up_after_the_training(
    project: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(following, "DRAIN_SECONDS", 0.5)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.1)
    write_lines(checkpoints / "journal.jsonl", journal_lines(range(1, 3)))
    follow(checkpoints, TRAIN_KEY, dead_trainer())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    (checkpoints / OUTCOME_NAME).write_text("FINISHED")
    follow(checkpoints, TRAIN_KEY, Trainer(os.getpid()))
    assert steps_of(MlflowClient(f"sqlite:///{project}/mlflow.db"), "train/loss") == [1, 2]


def test_of_two_machines_that_train_the_same_one_sends_until_it_is_silent_or_the_results_are_published(
    client: MlflowClient, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Trainer(os.getpid()), Trainer(os.getpid())
    there.tag = "elsewhere 1 2.0"
    theirs = following.LiveRun(client, TRAIN_KEY, there)
    with pytest.raises(NotOursError, match="elsewhere"):
        following.LiveRun(client, TRAIN_KEY, here)
    monkeypatch.setattr(runs, "_SILENT_MS", -1)
    ours = following.LiveRun(client, TRAIN_KEY, here)
    with opened_outbox(checkpoints, 1) as outbox:
        outbox.add([Point("train/loss", step, 1.0) for step in (1, 2)])
        with pytest.raises(NotOursError):
            theirs.send(outbox)
        client.set_terminated(ours.run_id, "KILLED")
        ours.send(outbox)
    # It was taken for dead.
    assert client.get_run(ours.run_id).info.status == "RUNNING"
    elsewhere = subprocess.run(
        [sys.executable, "-m", "pipeline.publish"], env=environment(connection.tracking_uri()), check=False
    )
    assert elsewhere.returncode == 0
    with opened_outbox(checkpoints, 1) as outbox, pytest.raises(NotOursError):
        ours.send(outbox)
    assert client.get_run(ours.run_id).info.status == "FINISHED"


def test_each_gpu_that_tells_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$3 $4" = "--id 0,1" ] && echo "0, 97, 2048" && echo "1, [N/A], 512"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    told = [point for point in Trainer(os.getpid()).usage(7) if "gpu" in point.key]
    assert told == [Point("system/gpu0_percent", 7, 97), Point("system/gpu0_memory_gib", 7, 2.0)]


def test_a_process_is_known_by_more_than_its_id() -> None:
    here = Trainer(os.getpid())
    host, pid, started = here.tag.rsplit(" ", 2)
    assert is_running(here.tag)
    assert not is_running(f"{host} {pid} {float(started) - 60}")
    assert is_running(f"another-{host} {pid} {started}") is None
    assert not dead_trainer().is_running()


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "FINISHED"), (RuntimeError("NaN"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_the_block_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, outcome: str
) -> None:
    monkeypatch.setenv("SEQ2SUM_TRACKING", "off")
    folder = tmp_path / "checkpoints"
    with contextlib.suppress(RuntimeError, KeyboardInterrupt), live_curves(folder, TRAIN_KEY):
        assert not (folder / OUTCOME_NAME).exists()
        if error is not None:
            raise error
    assert (folder / OUTCOME_NAME).read_text() == outcome
    with live_curves(folder, TRAIN_KEY):
        assert not (folder / OUTCOME_NAME).exists()
    assert sorted(path.name for path in folder.iterdir()) == [OUTCOME_NAME]
