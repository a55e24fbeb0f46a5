"""Ledger and alias against a real store, with two and more who want to write at once."""

import re
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import succession
from pipeline.tracking import championship, registry
from pipeline.tracking.chain import problems
from pipeline.tracking.championship import ChampionChangedError, crown, settle
from pipeline.tracking.ledger import ConflictError, Ledger, anchors_of
from seq2sum.errors import UserError

NUM_VERSIONS = 6


@pytest.fixture
def versions(client: MlflowClient) -> list[str]:
    """Versions without files: the ledger does not look into them."""
    client.create_registered_model("seq2sum")
    made = [client.create_model_version("seq2sum", "file:///nowhere") for _ in range(NUM_VERSIONS)]
    return [str(version.version) for version in made]


def champion(client: MlflowClient) -> str | None:
    found = registry.by_alias(client, registry.CHAMPION)
    return found.number if found else None


def entries(client: MlflowClient) -> list[tuple[str, str | None, str | None]]:
    """The ledger's, which must be whole, with its anchors."""
    ledger = Ledger.find(client)
    assert ledger is not None
    anchors = anchors_of({one.number: one.tags for one in registry.versions(client)})
    found = ledger.entries()
    assert problems(found, anchors) == []
    assert len(anchors) == len([entry for entry in found if entry.version])
    return [(entry.action, entry.previous, entry.version) for entry in found]


def crown_all(client: MlflowClient, versions: list[str]) -> None:
    expected = None
    for version in versions:
        crown(client, version, "promote", expected, {})
        expected = version


def test_each_change_is_an_entry_and_the_alias_follows(client: MlflowClient, versions: list[str]) -> None:
    crown_all(client, versions[:3])
    assert champion(client) == "3"
    assert entries(client) == [("promote", None, "1"), ("promote", "1", "2"), ("promote", "2", "3")]
    with pytest.raises(ChampionChangedError, match="3"):
        crown(client, "4", "promote", "2", {})
    assert champion(client) == "3"


def test_a_promoted_challenger_is_no_challenger_any_more(client: MlflowClient, versions: list[str]) -> None:
    crown(client, "1", "first", None, {})
    client.set_registered_model_alias("seq2sum", registry.CHALLENGER, "2")
    crown(client, "3", "promote", "1", {})
    assert registry.by_alias(client, registry.CHALLENGER) is not None
    crown(client, "2", "promote", "3", {})
    assert registry.by_alias(client, registry.CHALLENGER) is None


def test_of_many_promotions_at_once_one_comes_through(client: MlflowClient, versions: list[str], project: Path) -> None:
    """All judged against version 1: whoever is second must judge anew."""
    crown(client, "1", "first", None, {})
    outcomes: dict[str, str] = {}
    start = threading.Barrier(NUM_VERSIONS - 1)

    def promote(version: str) -> None:
        own = MlflowClient(f"sqlite:///{project}/mlflow.db")
        start.wait()
        try:
            crown(own, version, "promote", "1", {})
            outcomes[version] = "won"
        except ChampionChangedError as error:
            outcomes[version] = str(error)

    threads = [threading.Thread(target=promote, args=(version,)) for version in versions[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (version for version, outcome in outcomes.items() if outcome == "won")
    assert set(outcomes) == set(versions[1:])
    assert champion(client) == winner
    assert entries(client) == [("first", None, "1"), ("promote", "1", winner)]


def test_ledgers_made_at_once_are_one(client: MlflowClient, versions: list[str], project: Path) -> None:
    found: list[str] = []
    start = threading.Barrier(4)

    def make() -> None:
        own = MlflowClient(f"sqlite:///{project}/mlflow.db")
        start.wait()
        found.append(Ledger.open(own)._run_id)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_who_knows_an_old_head_may_not_write(client: MlflowClient) -> None:
    ledger = Ledger.open(client)
    first = ledger.append(None, "first", "1", {})
    with pytest.raises(ConflictError):
        ledger.append(None, "first", "2", {})
    assert ledger.entries() == [first]


@pytest.mark.parametrize("cut", ["set_registered_model_alias", "set_model_version_tag"])
def test_a_command_that_is_killed_between_its_steps_is_completed_by_the_next(
    client: MlflowClient, versions: list[str], monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    crown(client, "1", "first", None, {})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(client, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            crown(client, "2", "promote", "1", {})
    settle(client, Ledger.open(client))
    assert champion(client) == "2"
    assert entries(client) == [("first", None, "1"), ("promote", "1", "2")]


def test_an_alias_moved_by_hand_is_written_down(client: MlflowClient, versions: list[str]) -> None:
    crown(client, "1", "first", None, {})
    client.set_registered_model_alias("seq2sum", registry.CHAMPION, "3")
    client.set_model_version_tag("seq2sum", "3", registry.CONTENT_TAG, "c" * 64)
    assert any("the alias names version 3" in problem for problem in succession.ledger_problems())
    with pytest.raises(ChampionChangedError):
        crown(client, "2", "promote", "1", {})
    assert entries(client) == [("first", None, "1"), ("observed", "1", "3")]
    # Files that are changed from now on are not those that it became champion with.
    assert Ledger.open(client).entries()[-1].evidence[registry.CONTENT_TAG] == "c" * 64
    client.delete_registered_model_alias("seq2sum", registry.CHAMPION)
    crown(client, "2", "promote", None, {})
    assert entries(client)[2:] == [("observed", "3", None), ("promote", None, "2")]


def test_a_champion_from_before_the_ledger_is_its_first_entry(client: MlflowClient, versions: list[str]) -> None:
    client.set_registered_model_alias("seq2sum", registry.CHAMPION, "2")
    crown(client, "3", "promote", "2", {})
    assert entries(client) == [("observed", None, "2"), ("promote", "2", "3")]


def test_a_deleted_champion_leaves_a_ledger_that_can_go_on(client: MlflowClient, versions: list[str]) -> None:
    crown_all(client, versions[:2])
    client.delete_registered_model_alias("seq2sum", registry.CHAMPION)
    client.delete_model_version("seq2sum", "2")
    crown(client, "3", "promote", None, {})
    ledger = Ledger.open(client)
    assert [entry.version for entry in ledger.entries()] == ["1", "2", None, "3"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE params SET value = replace(value, '\"2\"', '\"5\"') WHERE key = 'entry.000002'", "entry 2: edited"),
        ("DELETE FROM params WHERE key = 'entry.000001'", "entry 1: missing"),
        ("DELETE FROM params WHERE key = 'entry.000003'", "entry 3: removed"),
        ("UPDATE params SET value = 'x' WHERE key = 'entry.000002'", "entry.000002"),
        (
            "UPDATE params SET value = (SELECT value FROM params AS other WHERE other.key = CASE params.key "
            "WHEN 'entry.000001' THEN 'entry.000002' ELSE 'entry.000001' END) "
            "WHERE key IN ('entry.000001', 'entry.000002')",
            "entry 1: missing",
        ),
    ],
)
def test_what_is_changed_in_the_database_is_found_and_nothing_is_promoted(
    client: MlflowClient, versions: list[str], project: Path, statement: str, told: str
) -> None:
    crown_all(client, versions[:3])
    assert succession.ledger_problems() == []
    with sqlite3.connect(project / "mlflow.db") as database:
        assert database.execute(statement).rowcount
    assert any(told in problem for problem in succession.ledger_problems())
    with pytest.raises(UserError, match="tampered with"):
        crown(client, "4", "promote", "3", {})
    assert champion(client) == "3"


def test_a_ledger_that_was_put_aside_is_missed(client: MlflowClient, versions: list[str]) -> None:
    with pytest.raises(UserError, match="no promotion ledger yet"):
        succession.ledger_problems()
    crown_all(client, versions[:2])
    experiment = client.get_experiment_by_name("seq2sum-ledger")
    client.rename_experiment(experiment.experiment_id, "elsewhere")
    assert [problem.split(";")[0] for problem in succession.ledger_problems()] == [
        "entry 1: removed",
        "entry 2: removed",
    ]
    with pytest.raises(UserError, match="tampered with"):
        crown(client, "3", "promote", "2", {})


def test_an_export_shows_a_ledger_that_was_written_anew(
    client: MlflowClient, versions: list[str], tmp_path: Path
) -> None:
    crown_all(client, versions[:3])
    copy = tmp_path / "ledger.jsonl"
    assert succession.export_ledger(copy) == 3
    assert succession.ledger_problems(copy) == []
    crown(client, "4", "promote", "3", {})
    assert succession.ledger_problems(copy) == []
    assert succession.export_ledger(copy) == 4
    lines = copy.read_text().splitlines()
    copy.write_text("\n".join([lines[0], lines[1].replace('"actor":"', '"actor":"x'), lines[2]]) + "\n")
    assert succession.ledger_problems(copy) == [f"entry 2: not the one in {copy}"]
    # The copy is what shows it, so it is not written over.
    kept = copy.read_bytes()
    with pytest.raises(UserError, match=r"ledger\.jsonl: entry 2 there is not the ledger's, so nothing is"):
        succession.export_ledger(copy)
    assert copy.read_bytes() == kept
    copy.write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"ledger\.jsonl: not UTF-8 \(byte 3\), so no export"):
        succession.ledger_problems(copy)


def test_a_ledger_that_was_tampered_with_is_not_exported(
    client: MlflowClient, versions: list[str], project: Path, tmp_path: Path
) -> None:
    crown_all(client, versions[:3])
    with sqlite3.connect(project / "mlflow.db") as database:
        edit = "UPDATE params SET value = replace(value, '\"2\"', '\"5\"') WHERE key = 'entry.000002'"
        assert database.execute(edit).rowcount
    with pytest.raises(UserError, match="tampered with"):
        succession.export_ledger(tmp_path / "ledger.jsonl")
    assert not (tmp_path / "ledger.jsonl").exists()


def test_an_export_whose_reasons_hold_unicode_line_breaks_is_the_ledger(
    client: MlflowClient, versions: list[str], tmp_path: Path
) -> None:
    crown(client, "1", "first", None, {"reason": "first line\u2028second\x85third\nfourth"})
    crown(client, "2", "promote", "1", {})
    succession.export_ledger(tmp_path / "ledger.jsonl")
    assert succession.ledger_problems(tmp_path / "ledger.jsonl") == []


def test_plain_rollbacks_go_back_to_the_first_champion_and_then_say_which_others_there_are(
    client: MlflowClient, versions: list[str]
) -> None:
    crown_all(client, versions[:3])
    found = Ledger.open(client)
    assert succession._before(found.entries(), "3", versions) == "2"
    crown(client, "2", "rollback", "3", {})
    assert succession._before(found.entries(), "2", versions) == "1"
    crown(client, "1", "rollback", "2", {})
    with pytest.raises(UserError, match=r"no champion before version 1\. Name one that was champion: 2, 3\."):
        succession._before(found.entries(), "1", versions)


def test_without_a_champion_a_rollback_goes_to_the_last_one(client: MlflowClient, versions: list[str]) -> None:
    crown_all(client, versions[:2])
    client.delete_registered_model_alias("seq2sum", registry.CHAMPION)
    settle(client, Ledger.open(client))
    assert succession._before(Ledger.open(client).entries(), None, versions) == "2"


def test_a_day_means_its_end() -> None:
    assert succession.parse_moment("2026-03-04").isoformat().startswith("2026-03-04T23:59:59")
    assert succession.parse_moment("2026-03-04T05:06+00:00").timestamp() == 1772600760
    with pytest.raises(UserError, match="not a date"):
        succession.parse_moment("yesterday")


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("0001-01-01", "Asia/Tokyo"),
        ("9999-12-31", "America/New_York"),
        ("9999-12-31T23:00-05:00", "UTC"),
        ("9999-12-31T23:00-05:00", "America/New_York"),
        ("0001-01-01T00:00+09:00", "Asia/Tokyo"),
    ],
)
def test_a_moment_beyond_the_calendar_is_told(monkeypatch: pytest.MonkeyPatch, text: str, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with pytest.raises(UserError, match=f"{re.escape(text)}: beyond the calendar"):
            succession.parse_moment(text)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_settling_without_a_champion_does_nothing(client: MlflowClient, versions: list[str]) -> None:
    assert championship.settle(client, Ledger.open(client)) is None
    assert Ledger.open(client).entries() == []
