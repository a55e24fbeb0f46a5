"""The gate's task on versions whose recorded summaries are made to be better or worse."""

import html
import json
import re
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from pipeline import paths, promote, publish, succession
from pipeline.stages.evaluate import evaluate
from pipeline.tracking import championship, registry
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.errors import UserError
from seq2sum.params_file import load_params
from tests.pipeline.tracking.project import made_up_pairs, publish_judged, write_params
from tests.pipeline.trained import SEARCH, write_data_reports, write_split


def test_better_is_promoted_worse_is_kept_and_a_rollback_goes_back(registered: Path, client: MlflowClient) -> None:
    assert promote.promote("1").reasons == ["it is the champion already"]
    done = promote.promote("2")
    assert (done.decision, done.challenger, done.champion) == ("promote", "2", "1")

    # The verdict stands in the files, the version's tags, the run and the ledger.
    assert done.report == paths.PROMOTIONS / "2-over-1"
    verdict = json.loads((done.report / "verdict.json").read_text())
    assert verdict["evidence"]["rouge"]["rouge1"]["delta"] > 10
    assert verdict["rescored"] == []
    assert verdict["differs"] == []
    assert "Params and data of the two are the same." in (done.report / "verdict.md").read_text()
    assert {check["outcome"] for check in verdict["checks"]} == {"pass"}
    assert "| ROUGE-Lsum |" in (done.report / "verdict.md").read_text()
    version = client.get_model_version("seq2sum", "2")
    assert version.tags["gate.decision"] == "promote"
    assert "gain: ROUGE-1 +" in version.tags["gate.reasons"]
    names = {file.path for file in client.list_artifacts(version.run_id, "promotion/2-over-1")}
    assert names == {f"promotion/2-over-1/{name}" for name in ("verdict.json", "verdict.md", "differences.png")}
    entry = succession.history()[-1]
    assert (entry.action, entry.previous, entry.version) == ("promote", "1", "2")
    assert entry.evidence["content_sha256"] == version.tags["content_sha256"]
    assert entry.evidence["report_sha256"] == version.tags["gate.report_sha256"]

    done = promote.promote()
    assert (done.decision, done.challenger, done.champion) == ("keep", "3", "2")
    assert any(reason.startswith("gain: ") for reason in done.reasons)
    assert client.get_model_version("seq2sum", "3").tags["gate.decision"] == "keep"
    assert registry.find_named(client, "champion").number == "2"

    assert succession.roll_back(None, "complaints").version == "1"
    assert registry.find_named(client, "models:/seq2sum@champion").number == "1"
    with pytest.raises(UserError, match="champion already"):
        succession.roll_back("1", "")
    assert [entry.action for entry in succession.history()] == ["first", "promote", "rollback"]
    assert succession.ledger_problems() == []


def test_the_report_is_written_again_with_the_champion_beside(
    registered: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    # The stages' files are of version 3 here, and not all that a report needs is there.
    assert not (promote.promote("2").report / "report.html").exists()
    assert "reports/ is of another model than version 2" in capsys.readouterr().err

    write_data_reports()
    write_split(paths.VAL_PAIRS, 10, seed=1)
    # A search of few steps, which dvc.lock has to know.
    write_params(registered, evaluate={"search": SEARCH, "bootstrap_samples": 200})
    lock = yaml.safe_load(paths.DVC_LOCK.read_text())
    lock["stages"]["evaluate"]["params"]["params.yaml"] = {
        "evaluate": yaml.safe_load(paths.PARAMS.read_text())["evaluate"]
    }
    paths.DVC_LOCK.write_text(yaml.safe_dump(lock))
    evaluate(load_params(paths.PARAMS))
    version = publish.publish(publish.read_results()).version
    done = promote.promote(version.number)
    assert (done.decision, done.report) == ("keep", paths.PROMOTIONS / f"{version.number}-over-2")
    page = (done.report / "report.html").read_text(encoding="utf-8")
    verdict = json.loads((done.report / "verdict.json").read_text())
    told = dict(re.findall(r'data-value="([^"]+)" data-format="[^"]*">([^<]*)<', page))
    assert "This page knows no champion" not in page
    for kind, gain in verdict["evidence"]["rouge"].items():
        assert told[f"gate.evidence.rouge.{kind}.delta"] == f"{gain['delta']:+.2f}"
        low, mean, high = (float(told[f"scores.systems.champion.{kind}.{place}"]) for place in (1, 0, 2))
        assert low < mean < high
        assert mean == pytest.approx(gain["champion"], abs=0.01)
    assert "scores.statistics.champion.copy_rate" in told
    # Version 2 was registered under other search settings, which nothing but its record tells.
    differs = {one["what"]: (one["champion"], one["challenger"]) for one in verdict["differs"]}
    assert differs["evaluate.bootstrap_samples"] == ("2000", "200")
    assert "train.max_steps" not in differs
    assert not any(what.startswith("promote.") for what in differs)
    assert "<td>evaluate.bootstrap_samples</td><td>2000</td><td>200</td>" in page
    assert "| evaluate.bootstrap_samples | 2000 | 200 |" in (done.report / "verdict.md").read_text(encoding="utf-8")
    assert all(check["reason"] in html.unescape(page) for check in verdict["checks"])
    # The champion's summaries stand beside the version's own: here it copied six words of each document.
    assert len(re.findall(r'of the champion</p>\n<p lang="">(?:\word\d+ ?){6}<', page)) == 12
    names = {file.path for file in client.list_artifacts(version.run_id, f"promotion/{version.number}-over-2")}
    assert f"promotion/{version.number}-over-2/report.html" in names


def test_on_another_test_set_both_versions_summarize_anew_by_their_own_code(registered: Path) -> None:
    pairs = [Pair(f"new{pair.id}", pair.group, pair.document, pair.summary) for pair in made_up_pairs()]
    write_pairs(registered / "data/split/test.parquet", pairs)
    done = promote.promote("2")
    # The same weights: what was recorded of the other test set must not count.
    assert done.decision != "promote"
    assert done.report is not None
    verdict = json.loads((done.report / "verdict.json").read_text())
    assert verdict["rescored"] == ["2", "1"]
    assert verdict["evidence"]["rouge"]["rouge1"]["delta"] == 0.0


def test_a_champion_that_changes_while_we_judge_is_judged_against_anew(
    registered: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = promote._tell

    def overtaken(*arguments: object) -> None:
        """Someone promotes version 2 while version 3 is being judged against version 1."""
        monkeypatch.setattr(promote, "_tell", tell)
        championship.crown(client, "2", "promote", "1", {})
        tell(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(promote, "_tell", overtaken)
    done = promote.promote("3")
    assert (done.decision, done.champion) == ("keep", "2")
    assert [(entry.previous, entry.version) for entry in succession.history()] == [(None, "1"), ("1", "2")]


def test_names_that_are_not_there_are_told_with_those_that_are(registered: Path, client: MlflowClient) -> None:
    with pytest.raises(UserError, match=r"no version '7'; there are: 3 \(challenger\), 2, 1 \(champion\)"):
        promote.promote("7")
    with pytest.raises(UserError, match="not a version of 'seq2sum'"):
        registry.find_named(client, "models:/other@champion")


def test_a_version_with_a_planted_pickle_is_neither_judged_nor_gone_back_to(
    registered: Path, client: MlflowClient
) -> None:
    source = client.get_model_version("seq2sum", "2").source
    stored = Path(client.get_logged_model(source.removeprefix("models:/")).artifact_location)
    planted = stored / "python_model.pkl"
    planted.write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    try:
        with pytest.raises(UserError, match="version 2: its files in the registry are not those that were regis"):
            promote.promote("2")
        with pytest.raises(UserError, match="version 2 never was champion"):
            succession.roll_back("2", "")
    finally:
        planted.unlink()
    assert registry.find_named(client, "champion").number == "1"
    assert not (registered / "owned").exists()


def test_where_the_champion_was_taken_away_no_other_comes_up_unjudged(registered: Path, client: MlflowClient) -> None:
    client.delete_registered_model_alias("seq2sum", "champion")
    with pytest.raises(UserError, match="alias was removed; `seq2sum rollback`"):
        promote.promote("3")
    assert publish_judged(registered, 0.01).number == "4"
    assert [one.number for one in registry.versions(client) if "champion" in one.aliases] == []
    assert succession.roll_back(None, "the alias was lost").version == "1"
    assert registry.find_named(client, "champion").number == "1"
