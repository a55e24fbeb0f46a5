import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from pipeline.tracking import runs
from pipeline.tracking.journal import Point
from pipeline.tracking.ledger import Ledger
from pipeline.tracking.outbox import OUTBOX_NAME, Outbox
from pipeline.tracking.verdicts import RUN

KEY = "c0de" * 16


@pytest.fixture
def run_id(client: MlflowClient) -> str:
    return runs.find_or_make_run(client, KEY)


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))


def test_a_train_key_has_one_run(client: MlflowClient, run_id: str) -> None:
    assert runs.find_or_make_run(client, KEY) == run_id
    assert runs.find_or_make_run(client, "beef" * 16) != run_id


def test_a_deleted_run_is_not_found_again(client: MlflowClient, run_id: str) -> None:
    client.delete_run(run_id)
    assert runs.find_or_make_run(client, KEY) != run_id


def test_points_beyond_one_batch_arrive_once_each(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / OUTBOX_NAME)
    outbox.add(Point("train/loss", step, step / 8) for step in range(2500))
    assert runs.PointSender(client, run_id).send(outbox) == 2500
    assert history(client, run_id, "train/loss") == [(step, step / 8) for step in range(2500)]


def test_what_the_server_has_is_not_sent_again(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    client.log_batch(run_id, metrics=[Metric("train/loss", 5.0, 1, 1), Metric("train/loss", 4.0, 1, 2)])
    outbox = Outbox(tmp_path / OUTBOX_NAME)
    outbox.add([Point("train/loss", step, 6.0 - step) for step in (1, 2, 3)])
    sender = runs.PointSender(client, run_id)
    assert sender.send(outbox) == 1
    outbox.add([Point("train/loss", 4, 2.0)])
    assert sender.send(outbox) == 1
    assert sender.send(outbox) == 0
    assert history(client, run_id, "train/loss") == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0)]


def test_a_batch_whose_answer_was_lost_is_stored_once(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    """Both senders have read the history before either wrote: the second repeats what the first got through."""
    outbox = Outbox(tmp_path / OUTBOX_NAME)
    outbox.add([Point("train/loss", 1, 3.0)])
    first, second = runs.PointSender(client, run_id), runs.PointSender(client, run_id)
    for sender in (first, second):
        sender.send(outbox)
    outbox.add([Point("train/loss", 2, 2.0), Point("train/loss", 3, 1.0)])
    assert first.send(outbox) == 2
    assert second.send(Outbox(tmp_path / OUTBOX_NAME)) == 2
    assert history(client, run_id, "train/loss") == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_params_that_changed_are_told_and_kept(client: MlflowClient, run_id: str) -> None:
    many = {f"section.key{number}": str(number) for number in range(150)}
    assert runs.log_params(client, run_id, many) == []
    assert runs.log_params(client, run_id, {"section.key0": "7", "section.key1": "1", "new": "x"}) == ["section.key0"]
    assert client.get_run(run_id).data.params == {**many, "new": "x"}


def test_tags_set_by_the_training_stay(client: MlflowClient, run_id: str) -> None:
    runs.set_missing_tags(client, run_id, {"cpu": "fast"})
    runs.set_missing_tags(client, run_id, {"cpu": "slow", "gpu": "none"})
    tags = client.get_run(run_id).data.tags
    assert (tags["cpu"], tags["gpu"], tags["train_key"]) == ("fast", "none", KEY)


def test_single_numbers_are_logged_when_they_change(client: MlflowClient, run_id: str) -> None:
    for value in (40.0, 40.0, 41.0, 41.0):
        runs.log_changed_metrics(client, run_id, {"test/rouge1": value}, step=9)
    assert history(client, run_id, "test/rouge1") == [(9, 40.0), (9, 41.0)]


def test_runs_of_dead_processes_are_closed_and_others_left(client: MlflowClient, run_id: str) -> None:
    alive = runs.find_or_make_run(client, "a11e" * 16)
    untagged = runs.find_or_make_run(client, "0000" * 16)
    runs.set_tags(client, run_id, {"trainer": "dead"})
    runs.set_tags(client, alive, {"trainer": "alive"})
    failed = runs.find_or_make_run(client, "fa11" * 16)
    runs.set_tags(client, failed, {"trainer": "dead"})
    runs.close_dead_runs(client, "trainer", lambda trainer: trainer == "alive", {"fa11" * 16: "FAILED"}.get)
    statuses = [client.get_run(run).info.status for run in (run_id, alive, untagged, failed)]
    assert statuses == ["KILLED", "RUNNING", "RUNNING", "FAILED"]


def test_runs_of_another_machine_are_closed_after_a_long_silence(client: MlflowClient) -> None:
    now, minute = time.time_ns() // 1_000_000, 60 * 1000
    heard = {"5a1d": 9, "dead": 11}
    for key, minutes in heard.items():
        run_id = runs.find_or_make_run(client, key * 16, now - 100 * minute)
        runs.set_tags(client, run_id, {"trainer": "elsewhere 1 2.0"})
        for more in (50, minutes):
            client.log_metric(run_id, runs.TRAINER_MEMORY, 1.0, now - more * minute, step=100 - more)
    without_sample = runs.find_or_make_run(client, "0001" * 16, now - minute)
    runs.set_tags(client, without_sample, {"trainer": "elsewhere 1 2.0"})
    runs.close_dead_runs(client, "trainer", lambda _: None, lambda _: None)
    found = [client.get_run(runs.find_or_make_run(client, key * 16)).info.status for key in (*heard, "0001")]
    assert found == ["RUNNING", "KILLED", "RUNNING"]


@pytest.mark.parametrize("theirs_starts", [1, 3])
def test_of_two_machines_that_make_the_run_of_a_key_at_once_both_keep_the_first(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, theirs_starts: int
) -> None:
    make, theirs = client.create_run, list[str]()

    def make_both(experiment_id: str, start_time: int, tags: dict[str, str], run_name: str) -> Run:
        theirs.append(make(experiment_id, theirs_starts, tags, run_name).info.run_id)
        return make(experiment_id, start_time, tags, run_name)

    monkeypatch.setattr(client, "create_run", make_both)
    ours = runs.find_or_make_run(client, "beef" * 16, 2)
    assert (ours == theirs[0]) == (theirs_starts == 1)
    # What the other machine does as it looks again.
    assert runs.find_or_make_run(client, "beef" * 16) == ours


def test_a_run_whose_verdict_the_ledger_names_is_needed_though_its_version_is_gone(
    client: MlflowClient, run_id: str
) -> None:
    judged = runs.find_or_make_run(client, "beef" * 16)
    for run in (run_id, judged):
        client.set_terminated(run)
    Ledger.open(client).append(None, "promote", "1", {RUN: judged})
    now = client.get_run(judged).info.end_time
    assert [run for run, _ in runs.unneeded_runs(client, now + 1)] == [run_id]
