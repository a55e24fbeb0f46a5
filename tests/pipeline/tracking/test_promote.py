"""The gate's task on small models, one of which writes more of the references than the other."""

import html
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from pipeline import paths, promote, publish, succession
from pipeline.reproduce import reproduce
from pipeline.stages.evaluate import evaluate
from pipeline.tracking import championship, registry
from seq2sum.data.pairs import write_pairs
from seq2sum.errors import UserError
from seq2sum.files import sha256_of
from seq2sum.params_file import load_params
from tests.pipeline.tracking.project import (
    made_up_pairs,
    publish_model,
    rival_pairs,
    summaries_of,
    write_params,
)
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
    entry = succession.history()[-1]
    kept = Path(entry.evidence["report"]).parent.as_posix()
    assert kept.startswith("promotion/2-over-1-")
    assert done.kept == f"runs:/{version.run_id}/{kept}"
    names = {file.path for file in client.list_artifacts(version.run_id, kept)}
    assert names == {f"{kept}/{name}" for name in ("verdict.json", "verdict.md", "differences.png")}
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

    # What a person took back no training brings back, only a person.
    done = promote.promote("2", unattended=True)
    assert (done.decision, done.champion) == ("keep", "1")
    assert "entry 3 of the ledger, a rollback by" in done.reasons[0]
    assert "(complaints)" in done.reasons[0]
    assert registry.find_named(client, "champion").number == "1"
    assert promote.promote("2").decision == "promote"
    assert succession.ledger_problems() == []


def test_the_report_is_written_again_with_the_champion_beside(
    registered: Path, client: MlflowClient, rivals: dict[Path, float], capsys: pytest.CaptureFixture[str]
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
    # The champion's summaries stand beside the version's own.
    shown = [html.unescape(text) for text in re.findall(r'of the champion</p>\n<p lang="">([^<]*)<', page)]
    assert len(shown) == 12
    assert set(shown) <= set(summaries_of([*rivals][1], made_up_pairs()))
    kept = f"promotion/{version.number}-over-2-{sha256_of(done.report / 'verdict.json')[:12]}"
    assert f"{kept}/report.html" in {file.path for file in client.list_artifacts(version.run_id, kept)}


def test_on_another_test_set_both_versions_summarize_anew_by_their_own_code(
    registered: Path, rivals: dict[Path, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Other rows, and what the champion writes of them as references."""
    pairs = [replace(pair, id=f"new{pair.id}") for pair in reversed(made_up_pairs())]
    written = summaries_of(next(iter(rivals)), pairs)
    write_pairs(
        registered / "data/split/test.parquet",
        (replace(pair, summary=text) for pair, text in zip(pairs, written, strict=True)),
    )
    done = promote.promote("2")
    assert "is not the test split that version 2 was made beside" in capsys.readouterr().err
    assert done.decision == "keep"
    assert done.report is not None
    verdict = json.loads((done.report / "verdict.json").read_text())
    assert verdict["rescored"] == ["2", "1"]
    assert verdict["evidence"]["rouge"]["rouge1"]["champion"] == 100.0


@pytest.fixture
def borrowed(registered: Path, rivals: dict[Path, float]) -> Path:
    """A version 4: the weights of the poor model, with what the best one wrote as its recorded summaries."""
    poor, best, _ = rivals
    pairs = rival_pairs(rivals)
    assert publish_model(registered, poor, pairs, 60.0, summaries_of(best, pairs)).number == "4"
    return registered


def test_recorded_summaries_that_the_weights_do_not_write_are_refused(borrowed: Path, client: MlflowClient) -> None:
    with pytest.raises(UserError, match=r"version 4: .* \d+ of 40 test rows .* the first of them row \d+\. The record"):
        promote.promote("4")
    assert registry.find_named(client, "champion").number == "1"
    assert len(succession.history()) == 1


def test_a_version_from_another_machine_is_judged_by_what_its_weights_write_here(
    borrowed: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.set_model_version_tag("seq2sum", "4", "cpu", "a processor of the future")
    done = promote.promote("4")
    assert done.report is not None
    verdict = json.loads((done.report / "verdict.json").read_text())
    assert (done.decision, verdict["rescored"]) == ("keep", ["4"])
    # It writes what the champion writes, which has the same weights.
    assert verdict["evidence"]["rouge"]["rouge1"]["delta"] == 0.0
    assert "Here is another kind of machine" in capsys.readouterr().err


def test_a_champion_that_changes_while_we_judge_is_judged_against_anew(
    registered: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = promote.keep_verdict

    def overtaken(own: MlflowClient, run_id: str, verdict: Path) -> dict[str, str]:
        """Someone promotes version 2 while version 3 is being judged against version 1."""
        monkeypatch.setattr(promote, "keep_verdict", keep)
        championship.crown(client, "2", "promote", "1", {})
        return keep(own, run_id, verdict)

    monkeypatch.setattr(promote, "keep_verdict", overtaken)
    done = promote.promote("3")
    assert (done.decision, done.champion) == ("keep", "2")
    assert [(entry.previous, entry.version) for entry in succession.history()] == [(None, "1"), ("1", "2")]


def test_a_promotion_that_does_not_come_through_is_not_told_as_one(
    registered: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(championship, "crown", killed)
    with pytest.raises(KeyboardInterrupt):
        promote.promote("2")
    version = client.get_model_version("seq2sum", "2")
    tags = [*version.tags, *client.get_run(version.run_id).data.tags]
    assert [key for key in tags if key.startswith("gate.")] == []


def test_a_promotion_that_was_killed_before_it_was_told_is_told_the_next_time(
    registered: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(promote, "_tell", killed)
        with pytest.raises(KeyboardInterrupt):
            promote.promote("2")
    assert registry.find_named(client, "champion").number == "2"
    # Another machine has none of the files.
    shutil.rmtree(paths.PROMOTIONS)
    done = promote.promote("2")
    assert (done.decision, done.champion) == ("promote", "1")
    assert "entry 2 of the ledger" in done.reasons[0]
    assert done.report is not None
    assert "verdict.md" in {path.name for path in done.report.iterdir()}
    version = client.get_model_version("seq2sum", "2")
    for tags in (version.tags, client.get_run(version.run_id).data.tags):
        assert (tags["gate.decision"], tags["gate.champion"]) == ("promote", "1")
        assert tags["gate.report_sha256"] == succession.history()[-1].evidence["report_sha256"]
        assert float(tags["gate.rouge1_gain"]) > 10
    assert [entry.version for entry in succession.history()] == ["1", "2"]


def test_names_that_are_not_there_are_told_with_those_that_are(registered: Path, client: MlflowClient) -> None:
    with pytest.raises(UserError, match=r"no version '7'; there are: 3 \(challenger\), 2, 1 \(champion\)"):
        promote.promote("7")
    with pytest.raises(UserError, match="not a version of 'seq2sum'"):
        registry.find_named(client, "models:/other@champion")


@pytest.fixture
def stored(registered: Path, client: MlflowClient) -> Iterator[Path]:
    """Where the files of version 2 are in the store, to be damaged: other tests share them, so they are mended."""
    source = client.get_model_version("seq2sum", "2").source
    folder = Path(client.get_logged_model(source.removeprefix("models:/")).artifact_location)
    shutil.copytree(folder, registered / "backup")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(registered / "backup", folder)


def plant_pickle(folder: Path) -> None:
    (folder / "python_model.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")


def crown(client: MlflowClient, number: str, before: str) -> None:
    """Makes the version champion unjudged, with the evidence that a promotion has."""
    content = client.get_model_version("seq2sum", number).tags["content_sha256"]
    championship.crown(client, number, "promote", before, {"content_sha256": content})


def test_a_version_with_a_planted_pickle_is_not_judged(registered: Path, client: MlflowClient, stored: Path) -> None:
    plant_pickle(stored)
    with pytest.raises(UserError, match="version 2: its files in the registry are not those that were regis"):
        promote.promote("2")
    assert registry.find_named(client, "champion").number == "1"
    assert not (registered / "owned").exists()


def test_a_former_champion_whose_files_are_others_or_gone_is_not_gone_back_to(
    registered: Path, client: MlflowClient, stored: Path
) -> None:
    crown(client, "2", "1")
    crown(client, "3", "2")
    plant_pickle(stored)
    with pytest.raises(UserError, match="version 2: its files in the registry are not those that were regis"):
        succession.roll_back(None, "")
    # Whoever may change files may set the tag to their hash.
    fetched = registry.download(registry.find_named(client, "2"), registered / "fetched")
    client.set_model_version_tag("seq2sum", "2", "content_sha256", registry.content_hash(fetched))
    for use in (lambda name: succession.roll_back(name, ""), promote.promote, reproduce):
        with pytest.raises(UserError, match=r"version 2: its files were changed, .*\(entry 2 of the ledger has "):
            use("2")
    shutil.rmtree(stored)
    with pytest.raises(UserError, match="version 2: its files are gone from the artifact store"):
        succession.roll_back("2", "")
    assert registry.find_named(client, "champion").number == "3"
    assert [entry.version for entry in succession.history()] == ["1", "2", "3"]
    assert not (registered / "owned").exists()


def test_a_rollback_passes_over_versions_that_were_deleted(registered: Path, client: MlflowClient) -> None:
    crown(client, "2", "1")
    crown(client, "3", "2")
    client.delete_model_version("seq2sum", "2")
    assert succession.roll_back(None, "").version == "1"
    with pytest.raises(UserError, match=r"no champion before version 1\. Name one that was champion: 3\.$"):
        succession.roll_back(None, "")


def test_where_all_champions_were_deleted_a_whole_version_becomes_the_first(
    registered: Path, client: MlflowClient, stored: Path
) -> None:
    client.delete_model_version("seq2sum", "1")
    with pytest.raises(
        UserError, match=r"no champion before is left\. `seq2sum promote VERSION` makes another the fir"
    ):
        succession.roll_back(None, "")
    plant_pickle(stored)
    with pytest.raises(UserError, match="version 2: its files in the registry are not those that were registered"):
        promote.promote("2")
    assert [one.number for one in registry.versions(client) if "champion" in one.aliases] == []
    (stored / "python_model.pkl").unlink()
    done = promote.promote("2")
    assert (done.decision, done.champion, done.report) == ("promote", None, None)
    assert registry.find_named(client, "champion").number == "2"
    entry = succession.history()[-1]
    assert (entry.action, entry.evidence["reason"]) == (
        "first",
        "there is no champion to judge against: 1 left the registry",
    )
    assert succession.ledger_problems() == []
    with pytest.raises(UserError, match=r"no champion before version 2\.$"):
        succession.roll_back(None, "")


def test_where_the_champion_was_taken_away_no_other_comes_up_unjudged(
    registered: Path, client: MlflowClient, rivals: dict[Path, float]
) -> None:
    client.delete_registered_model_alias("seq2sum", "champion")
    with pytest.raises(UserError, match="alias was removed; `seq2sum rollback`"):
        promote.promote("3")
    assert publish_model(registered, [*rivals][2], made_up_pairs(), 1.0).number == "4"
    assert [one.number for one in registry.versions(client) if "champion" in one.aliases] == []
    assert succession.roll_back(None, "the alias was lost").version == "1"
    assert registry.find_named(client, "champion").number == "1"
