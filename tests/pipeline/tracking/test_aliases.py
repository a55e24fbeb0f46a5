"""Which alias a published version gets."""

import json
from pathlib import Path

from pipeline import publish
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


def test_a_first_version_that_the_gate_would_keep_out_is_told(project: Path) -> None:
    results = publish.read_results()
    published = publish.publish(results)
    assert "empty, loop or copy" not in publish.report(results, published)
    pairs = list(read_pairs(project / "data/split/test.parquet"))
    make_test_set(project, pairs, ["over and over and over and over"] * 30 + ["a summary"] * (len(pairs) - 30))
    assert f"note       {30 / len(pairs):.1%} of its test summaries are empty, loop or copy" in publish.report(
        results, published
    )


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


def test_a_former_champion_published_again_does_not_challenge_the_newer_one(project: Path) -> None:
    for rouge1 in (40.0, 41.0):
        (project / "reports/scores.json").write_text(json.dumps(make_scores(rouge1)))
        publish.publish(publish.read_results())
    client = connection.connect()
    championship.crown(client, "2", "promote", "1", {})
    (project / "reports/scores.json").write_text(json.dumps(make_scores(40.0)))
    assert publish.publish(publish.read_results()).version.aliases == ()
    assert [(one.number, one.aliases) for one in registry.versions(client)] == [("2", ("champion",)), ("1", ())]
