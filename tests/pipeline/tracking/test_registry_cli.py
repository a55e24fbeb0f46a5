"""The commands about versions as a user types them: what they print and how they end."""

import json
import os
import pwd
import shutil
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from mlflow import MlflowClient
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.tracking.ledger import actor
from tests.pipeline.tracking.project import REPO


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_a_promotion_a_rollback_and_a_look_back(registered: Path) -> None:
    done = run("promote", "2")
    assert done.exit_code == 0, done.output
    assert "version 2 against the champion 1: promote\n" in done.stdout
    assert "report: reports/promotion/2-over-1/verdict.md" in done.stdout
    done = run("promote", "2", "--json")
    assert (done.exit_code, json.loads(done.stdout)["decision"]) == (1, "keep")
    assert run("champion").stdout == "2\n"

    done = run("rollback", "--reason", "x" * 6000)
    assert (done.exit_code, "make the reason shorter by" in done.stderr) == (2, True), done.output
    done = run("rollback", "--reason", b"caf\xe9".decode(errors="surrogateescape"))
    assert (done.exit_code, "holds bytes that are not UTF-8. Nothing is changed" in done.stderr) == (2, True), (
        done.output
    )
    assert run("champion").stdout == "2\n"
    done = run("rollback", "--reason", "a drill")
    assert done.exit_code == 0, done.output
    assert run("champion").stdout == "1\n"
    first, promoted, back = (json.loads(line) for line in run("history", "--json").stdout.splitlines())
    assert [one["action"] for one in (first, promoted, back)] == ["first", "promote", "rollback"]
    assert back["evidence"]["reason"] == "a drill"
    assert "2 → 1" in run("history").stdout.splitlines()[2]
    assert [run("champion", "--at", one["time"]).stdout for one in (first, promoted, back)] == ["1\n", "2\n", "1\n"]
    before = datetime.fromisoformat(first["time"]) - timedelta(seconds=1)
    done = run("champion", "--at", before.isoformat())
    assert (done.exit_code, done.stdout) == (1, "")
    assert run("champion", "--at", datetime.now(UTC).date().isoformat()).exit_code == 0
    assert run("champion", "--at", "soon").exit_code == 2

    done = run("ledger", "export", "copy.jsonl")
    assert (done.exit_code, done.stdout) == (0, "3 entries written to copy.jsonl\n")
    done = run("ledger", "verify", "--against", "copy.jsonl")
    assert (done.exit_code, done.stdout) == (0, "the ledger is whole\n")


def test_a_verdict_that_was_edited_is_told(registered: Path, client: MlflowClient) -> None:
    """The ledger names the verdict that a promotion rests on; judging the same two again leaves that as it is."""
    assert run("promote", "2").exit_code == 0
    assert run("rollback").exit_code == 0
    assert run("promote", "2").exit_code == 0
    assert (run("ledger", "verify").exit_code, run("verify", "2").exit_code) == (0, 0)
    *lines, count = run("verify", "2").stdout.splitlines()
    holds = [one["holds"] for one in json.loads(run("verify", "2", "--json").stdout)]
    assert [{"✓": True, "–": None}[line[0]] for line in lines] == holds
    assert holds.count(None) > 0
    assert count == f"{holds.count(True)} of {len(holds)} hold, 0 do not, {holds.count(None)} not checked"
    evidence = json.loads(run("history", "--json").stdout.splitlines()[1])["evidence"]
    kept = Path(client.get_run(evidence["run_id"]).info.artifact_uri) / evidence["report"]
    true = kept.read_text()
    try:
        kept.write_text(true.replace('"decision": "promote"', '"decision": "keep"'))
        for command in (("ledger", "verify"), ("verify", "2")):
            done = run(*command)
            assert (done.exit_code, "entry 2: its verdict promotion/2-over-1-" in done.stdout) == (1, True), done.output
            assert "was edited" in done.stdout
        kept.unlink()
        done = run("ledger", "verify")
        assert (done.exit_code, "can't be fetched" in done.stdout) == (1, True), done.output
    finally:
        kept.write_text(true)


def test_a_ledger_that_was_edited_is_told_by_every_command_that_relies_on_it(registered: Path) -> None:
    with sqlite3.connect("mlflow.db") as database:
        edit = """UPDATE params SET value = replace(value, '"version":"1"', '"version":"3"')"""
        assert database.execute(f"{edit} WHERE key = 'entry.000001'").rowcount == 1
    done = run("ledger", "verify")
    assert (done.exit_code, "entry 1: edited" in done.stdout) == (1, True)
    done = run("history")
    assert (done.exit_code, "- → 3" in done.stdout, "entry 1: edited" in done.stderr) == (1, True, True)
    for command in (("champion", "--at", "2999-01-01"), ("promote", "2"), ("rollback", "2")):
        done = run(*command)
        assert (done.exit_code, "tampered with" in done.stderr) == (2, True), done.output
    # What is served is what the alias names.
    assert run("champion").stdout == "1\n"


def test_a_version_that_is_not_there_is_told(registered: Path) -> None:
    (registered / "pairs.jsonl").write_text('{"text": "A text.", "title": "a"}\n' * 2)
    commands = [(command, "9") for command in ("promote", "rollback", "verify", "reproduce", "serve", "info")]
    commands += [("evaluate", "--model", "9", "pairs.jsonl"), ("compare", "champion", "9", "pairs.jsonl")]
    for command in commands:
        done = run(*command)
        assert (done.exit_code, "no version '9'" in done.stderr) == (2, True), done.output


def test_a_folder_and_the_version_that_was_registered_of_it_are_one_model(
    registered: Path, rivals: dict[Path, float]
) -> None:
    (registered / "pairs.jsonl").write_text('{"text": "A text.", "title": "a"}\n' * 2)
    poor, best, _ = rivals
    for folder, is_same in ((poor, True), (best, False)):
        done = run("compare", "--json", str(folder), "champion", "pairs.jsonl")
        assert (done.exit_code, json.loads(done.stdout)["same_model"]) == (0, is_same), done.output


def test_a_claimed_name_stands_beside_the_login_and_does_not_hide_it(
    registered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SUM_ACTOR", "the boss")
    monkeypatch.setenv("USER", "the boss")
    monkeypatch.setenv("LOGNAME", "the boss")
    assert run("promote", "2").exit_code == 0
    _, promoted = (json.loads(line) for line in run("history", "--json").stdout.splitlines())
    login = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    assert (promoted["actor"], promoted["evidence"]["claimed_actor"]) == (login, "the boss")
    assert f"{login} (as the boss)" in run("history").stdout.splitlines()[1]


@pytest.mark.parametrize(
    ("address", "user", "password", "told"),
    [
        ("http://127.0.0.1:1", "alice", "secret", "alice"),
        ("http://bob:secret@127.0.0.1:1", "alice", "secret", "bob"),
        # Neither of these is shown to a server.
        ("http://127.0.0.1:1", "alice", "", None),
        ("sqlite:///mlflow.db", "alice", "secret", None),
    ],
)
def test_the_actor_is_whom_the_server_knows(
    monkeypatch: pytest.MonkeyPatch, address: str, user: str, password: str, told: str | None
) -> None:
    for name, value in (("URI", address), ("USERNAME", user), ("PASSWORD", password)):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    monkeypatch.setenv("SEQ2SUM_ACTOR", "the boss")
    assert actor() == (told or f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}")


READING = [
    *("history", "champion", "champion --at 2026-01-31", "models", "ledger verify", "ledger export copy.jsonl"),
    *("rollback", "promote", "verify", "reproduce", "serve", "info", "summarize"),
]


@pytest.mark.parametrize("uri", ["", "sqlite:///elsewhere.db"])
@pytest.mark.parametrize("command", READING)
def test_without_a_registry_commands_say_so_and_leave_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, uri: str
) -> None:
    shutil.copy(REPO / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    done = CliRunner().invoke(app, command.split(), input="A text.")
    missing = uri.removeprefix("sqlite:///") or "mlflow.db"
    assert (done.exit_code, f"No model is registered here: there is no {missing}." in done.stderr) == (2, True), (
        done.output
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
