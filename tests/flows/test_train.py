"""What the tasks of `train` do with the commands that they run; `test_factory` has whole runs."""

import asyncio
import logging
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.abstract import NotificationBlock
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Cancelled, Crashed, Failed

from pipeline.flows import train
from pipeline.flows.command import CommandError
from pipeline.flows.healing import HEALED_TAG
from pipeline.flows.retries import WAIT_SECONDS

# Says yes, and how it was called.
GATE = """
import json, sys
print(json.dumps({"decision": "promote", "challenger": sys.argv[1], "champion": "1", "reasons": sys.argv[2:],
                  "report": None, "kept": None}, indent=2))
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree whose commands the tests write; the run has no page."""
    (tmp_path / "pipeline").mkdir()
    monkeypatch.setattr(train, "show_verdict", lambda *_: None)
    return tmp_path


def judged(tree: Path, gate: str) -> dict[str, Any]:
    (tree / "pipeline/promote.py").write_text(gate)
    with disable_run_logger():
        return train.judge.fn("2", tree, {}, None)


def test_the_flows_gate_is_told_that_no_one_decides(tree):
    promotion = judged(tree, GATE)
    assert (promotion["challenger"], promotion["reasons"]) == ("2", ["--unattended"])


def is_tried_again(task: Any, *arguments: Any) -> bool:
    """Whether the flow has that task done once more after it failed."""
    with disable_run_logger(), pytest.raises(CommandError) as failed:
        task.fn(*arguments)
    return bool(task.retry_condition_fn(task, None, Failed(data=failed.value)))


@pytest.mark.parametrize(
    ("end", "again"),
    [
        ("sys.exit(75)", True),
        ("os.kill(os.getpid(), 9)", True),
        ("sys.exit(2)", False),
        ("raise RuntimeError", False),
    ],
)
@pytest.mark.parametrize("name", ["publish", "promote"])
def test_a_lost_server_or_process_is_waited_for_and_bad_input_is_not(tree, name, end, again):
    (tree / f"pipeline/{name}.py").write_text(f"import os, sys\n{end}\n")
    if name == "publish":
        assert is_tried_again(train.publish, tree, {}, None) == again
    else:
        assert is_tried_again(train.judge, "2", tree, {}, None) == again


def test_dvc_waits_for_a_lost_remote_and_not_for_one_that_was_never_named(tree):
    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", "--quiet", *arguments], cwd=tree, check=True)

    dvc("init", "--no-scm")
    (tree / "data").write_text("to be pushed")
    dvc("add", "data")
    assert not is_tried_again(train.transfer, "push", tree, None)
    # As where a share is not mounted.
    (tree / "share").touch()
    dvc("remote", "add", "--default", "team", str(tree / "share/store"))
    assert is_tried_again(train.transfer, "push", tree, None)


def test_the_waits_grow_to_about_an_hour():
    assert sorted(WAIT_SECONDS) == WAIT_SECONDS
    assert 3000 < sum(WAIT_SECONDS) < 4500
    assert {train.transfer.retries, train.publish.retries, train.judge.retries} == {len(WAIT_SECONDS)}


def test_a_run_without_a_server_has_no_page_but_an_id(monkeypatch):
    run = str(uuid4())
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", run)
    assert list(train.begin(None, None)[1].values()) == [run]


def test_the_timeout_counts_from_the_runs_first_start():
    left = train.deadline_of(datetime.now(UTC) - timedelta(minutes=50), 60) - time.monotonic()
    assert left == pytest.approx(600, abs=5)
    assert train.deadline_of(datetime.now(UTC) - timedelta(minutes=70), 60) < time.monotonic()


class Notifier:
    """Stands in for a team's chat, which may be down."""

    def __init__(self) -> None:
        self.is_up, self.heard = True, list[str]()

    async def notify(self, body: str, subject: str | None = None) -> None:
        if not self.is_up:
            raise ConnectionError("the chat is down")
        self.heard.append(body)


@pytest.fixture
def notifier(monkeypatch: pytest.MonkeyPatch) -> Notifier:
    made = Notifier()

    async def load(name: str) -> Notifier:
        assert name == "slack-webhook/team"
        return made

    monkeypatch.setattr(NotificationBlock, "aload", load)
    return made


def end_run(state: State[Any], notify: str | None, tags: list[str]) -> None:
    """Ends a run of `train` as Prefect does."""
    kinds = {"FAILED": "on_failure_hooks", "CRASHED": "on_crashed_hooks", "CANCELLED": "on_cancellation_hooks"}
    run = FlowRun(flow_id=uuid4(), name="red-owl", parameters={"notify": notify}, tags=tags)
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):
        for hook in getattr(train.train, kinds[state.type.value]):
            asyncio.run(hook(flow=train.train, flow_run=run, state=state))


@pytest.mark.parametrize("state", [Failed(message="the time was up"), Crashed(message="killed"), Cancelled(message="")])
def test_people_are_told_of_a_run_that_ends_without_a_verdict(notifier, state):
    end_run(state, None, [])
    assert notifier.heard == []
    end_run(state, "slack-webhook/team", [])
    (heard,) = notifier.heard
    assert heard.startswith(f"run red-owl: {state.name}.")
    assert state.message in heard


def test_a_crash_that_is_healed_is_no_end(notifier):
    end_run(Crashed(message="killed"), "slack-webhook/team", [HEALED_TAG])
    assert notifier.heard == []


def test_a_notifier_that_is_down_fails_nothing(notifier, caplog):
    notifier.is_up = False
    log = logging.LoggerAdapter(logging.getLogger("a run"))
    asyncio.run(train.tell("slack-webhook/team", "version 2: promote", log))
    assert "the chat is down" in caplog.text
    assert "version 2: promote" in caplog.text


@pytest.mark.parametrize(
    ("push", "order"), [(True, ["push", "publish", "judge"]), (False, ["publish", "judge"])], ids=["push", "no push"]
)
def test_what_is_published_was_pushed_before(tree, monkeypatch, push, order):
    done: list[str] = []
    (tree / "dvc.yaml").write_text("stages: {train: {}, evaluate: {}}")
    monkeypatch.setattr(train, "leased", lambda *_: nullcontext({}))
    monkeypatch.setattr(train, "run_stage", lambda name, *_: done.append(name))
    monkeypatch.setattr(train, "transfer", lambda verb, *_: done.append(verb))
    monkeypatch.setattr(train, "publish", lambda *_: done.append("publish") or {"version": "2"})
    monkeypatch.setattr(train, "judge", lambda *_: done.append("judge") or {})
    train._make_and_judge(tree, {}, 1, None, False, push, None)
    assert done == ["train", "evaluate", *order]
