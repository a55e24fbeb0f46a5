"""The evaluate stage on twenty made-up pairs and a tiny untrained model."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import paths
from pipeline.stages.evaluate import evaluate
from pipeline.stages.runner import run_stage
from seq2sum.config import SearchParams
from seq2sum.data.pairs import write_pairs
from seq2sum.evaluation import workers
from seq2sum.evaluation.rouge import ROUGE_TYPES
from seq2sum.evaluation.system_outputs import read_outputs
from seq2sum.params_file import load_params, read_section
from seq2sum.summarize import Summarizer
from tests.pipeline.trained import SEARCH, TRAIN

SYSTEMS = {"model", "lead", "first_sentence", "random", "oracle"}


def test_writes_scores_metrics_plots_samples_and_summaries(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(load_params(paths.PARAMS))

    scores = json.loads(paths.SCORES.read_bytes())
    assert scores["num_pairs"] == 20
    assert set(scores["systems"]) == SYSTEMS
    assert all(set(system) == set(ROUGE_TYPES) for system in scores["systems"].values())
    assert all(set(comparison) >= {"delta", "p"} for comparison in scores["paired"].values())
    assert scores["train"] == TRAIN
    assert set(scores["statistics"]) == SYSTEMS | {"reference"}
    assert json.loads(paths.METRICS.read_bytes())["rouge1"] == scores["systems"]["model"]["rouge1"][0]

    outputs = read_outputs(paths.HYPOTHESES)
    documents = pq.read_table(paths.TEST_PAIRS)["document"].to_pylist()
    search = read_section(paths.MODEL / "search.json", SearchParams)
    assert search == SearchParams(**SEARCH)
    again = Summarizer.load(paths.MODEL).summarize(documents, search)
    assert outputs.hypotheses["model"] == [summary.text for summary in again]
    assert outputs.scores["model"].means() == pytest.approx(
        {kind: scores["systems"]["model"][kind][0] for kind in ROUGE_TYPES}, abs=1e-4
    )

    samples = [json.loads(line) for line in paths.SAMPLES.read_text(encoding="utf-8").splitlines()]
    assert len(samples) == 6
    assert all(sample["document"] in documents for sample in samples)
    assert (paths.EVAL_PLOTS / "train_loss.csv").exists()

    printed = capsys.readouterr()
    assert "\nmodel " in printed.out
    assert "documents are longer than the 30 pieces" in printed.err


def test_the_same_inputs_give_the_same_files_whatever_the_workers(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CHUNK_ITEMS", 30)  # so that scoring and measuring start processes
    monkeypatch.setattr(workers, "WORTH_SECONDS", 0.0)
    contents = []
    for number in ("1", "2"):
        monkeypatch.setenv("SEQ2SUM_WORKERS", number)
        evaluate(load_params(paths.PARAMS))
        files = [path for folder in (paths.REPORTS, paths.MODEL) for path in folder.rglob("*") if path.is_file()]
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1]


def break_journal() -> None:
    paths.JOURNAL.write_text('{"step": 1, "phase": "likelihood", "values": {}}\nno JSON\n')


def empty_test_split() -> None:
    write_pairs(paths.TEST_PAIRS, [])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (paths.TRAIN_REPORT.unlink, "reports/train.json: not found"),
        (break_journal, "reports/journal.jsonl:2: not a journal line"),
        (paths.VAL_PAIRS.unlink, "data/split/val.parquet: not found"),
        (empty_test_split, "data/split: an empty val or test split"),
        ((paths.MODEL / "model.safetensors").unlink, "models/summarizer/model.safetensors"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    trained: Path, capsys: pytest.CaptureFixture[str], damage, message: str
) -> None:
    damage()
    before = sorted(trained.rglob("*"))
    with pytest.raises(SystemExit, match="2"):
        run_stage("evaluate", evaluate)
    assert message in capsys.readouterr().err
    assert sorted(trained.rglob("*")) == before


@pytest.mark.parametrize("number", ["0", "two", "-1"])
def test_a_bad_number_of_workers_is_refused(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    monkeypatch.setenv("SEQ2SUM_WORKERS", number)
    with pytest.raises(SystemExit, match="2"):
        run_stage("evaluate", evaluate)
    assert f"SEQ2SUM_WORKERS={number}: must be a whole number" in capsys.readouterr().err
