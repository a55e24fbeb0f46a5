"""Which alias a published version gets."""

import json
from pathlib import Path

import pytest

from pipeline import publish, succession
from pipeline.tracking import championship, connection, registry
from seq2sum.data.pairs import read_pairs
from tests.pipeline.tracking.project import make_scores, make_test_set


def test_the_next_version_is_a_challenger_and_the_champion_stays(project: Path) -> None:
    for rouge1 in (40.0, 41.0, 42.0):
        (project / "reports/scores.json").write_text(json.dumps(make_scores(rouge1)))
        results = publish.read_results()
        told = publish.report(results, publish.publish(results))
        assert ("goes on with the champion" in told) == (rouge1 > 40)
        assert "20 test pairs: the gate promotes nothing below 200" in told
    versions = registry.versions(connection.connect())
    assert [(one.number, one.aliases, one.tags["rouge1"]) for one in versions] == [
        ("3", ("challenger",), "42.00"),
        ("2", (), "41.00"),
        ("1", ("champion",), "40.00"),
    ]


@pytest.mark.parametrize("num_loops", [0, 30])
def test_a_first_version_that_the_gate_would_keep_out_is_told_there_and_in_the_ledger(
    project: Path, num_loops: int
) -> None:
    pairs = list(read_pairs(project / "data/split/test.parquet"))
    loops = ["over and over and over and over"] * num_loops
    make_test_set(project, pairs, loops + ["a summary"] * (len(pairs) - num_loops))
    results = publish.read_results()
    told = publish.report(results, publish.publish(results))
    words = f"{num_loops / len(pairs):.1%} of its test summaries are empty, loop or copy"
    (entry,) = succession.history()
    assert [f"note       {words}" in told, words in entry.evidence["reason"]] == [num_loops > 0] * 2


def test_an_old_version_published_again_leaves_a_newer_challenger_and_says_so(project: Path) -> None:
    for rouge1 in (40.0, 41.0, 42.0, 41.0):
        (project / "reports/scores.json").write_text(json.dumps(make_scores(rouge1)))
        results = publish.read_results()
        published = publish.publish(results)
    told = publish.report(results, published)
    assert "seq2sum version 2, no alias: a newer version has it (was registered before" in told
    assert "`seq2sum promote 2` judges this one" in told
    assert json.loads(publish.as_json(published))["aliases"] == []
    assert [(one.number, one.aliases) for one in registry.versions(connection.connect())] == [
        ("3", ("challenger",)),
        ("2", ()),
        ("1", ("champion",)),
    ]


def test_the_run_has_a_page_on_a_server_at_the_address_that_browsers_know(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish.publish(publish.read_results())
    assert publish.run_page(published) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@mlflow:5000/")
    assert str(publish.run_page(published)).startswith("http://mlflow:5000/#/experiments/")
    monkeypatch.setenv("SEQ2SUM_MLFLOW_PAGE", "https://models.example")
    assert str(publish.run_page(published)).startswith("https://models.example/#/experiments/")


def test_a_former_champion_published_again_does_not_challenge_the_newer_one(project: Path) -> None:
    for rouge1 in (40.0, 41.0):
        (project / "reports/scores.json").write_text(json.dumps(make_scores(rouge1)))
        publish.publish(publish.read_results())
    client = connection.connect()
    championship.crown(client, "2", "promote", "1", {})
    (project / "reports/scores.json").write_text(json.dumps(make_scores(40.0)))
    assert publish.publish(publish.read_results()).version.aliases == ()
    assert [(one.number, one.aliases) for one in registry.versions(client)] == [("2", ("champion",)), ("1", ())]
