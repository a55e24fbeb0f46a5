import json
import re
from pathlib import Path
from typing import Any

import pytest

from seq2sum.errors import UserError
from seq2sum.evaluation.report import build_report, flat_metrics, read_train_facts, sample_rows
from seq2sum.evaluation.rouge import ROUGE_TYPES, metric_signature
from seq2sum.evaluation.summary_statistics import summary_statistics
from seq2sum.evaluation.system_outputs import SystemOutputs
from seq2sum.evaluation.table import scores_table
from tests.evaluation.texts import PORTER, make_outputs

TRAIN = {
    "wall_seconds": 12.5, "tokens_per_second": 1234.56789, "num_parameters": 77, "num_train_pairs": 9000,
    "passes": 8.0, "cut_share": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluation() -> tuple[list[str], SystemOutputs]:
    return make_outputs(30)


@pytest.fixture(scope="module")
def report(evaluation: tuple[list[str], SystemOutputs]) -> dict[str, Any]:
    documents, outputs = evaluation
    statistics = summary_statistics(outputs.hypotheses, documents, outputs.references, num_workers=1)
    return build_report(outputs, statistics, num_lead_words=5, train=TRAIN, unread=0.0, num_samples=200, seed=1)


def test_the_report_holds_each_systems_mean_within_its_interval(evaluation, report: dict[str, Any]) -> None:
    outputs = evaluation[1]
    assert report["signature"] == metric_signature(PORTER)
    assert report["num_pairs"] == 30
    assert set(report["systems"]) == {"model", "lead", "first_sentence", "random", "oracle"}
    for name, system in report["systems"].items():
        assert set(system) == set(ROUGE_TYPES)
        for kind, (mean, low, high) in system.items():
            assert mean == pytest.approx(outputs.scores[name].means()[kind], abs=1e-4)
            assert low < mean < high
    assert report["train"] == TRAIN
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_model_is_set_against_the_better_lead(evaluation, report: dict[str, Any]) -> None:
    scores = evaluation[1].scores
    leads = {name: scores[name].means()["rouge1"] for name in ("lead", "first_sentence")}
    assert report["best_lead"] == max(leads, key=leads.__getitem__)
    for kind in ROUGE_TYPES:
        expected = scores["model"].means()[kind] - scores[report["best_lead"]].means()[kind]
        assert report["paired"][kind]["delta"] == pytest.approx(expected, abs=1e-4)
        assert report["paired"][kind]["p"] < 0.05


def test_the_metrics_are_flat_numbers(report: dict[str, Any]) -> None:
    metrics = flat_metrics(report)
    assert all(isinstance(value, int | float) for value in metrics.values())
    assert metrics["rougeL"] == report["systems"]["model"]["rougeL"][0]
    assert metrics["rouge1_over_lead"] == report["paired"]["rouge1"]["delta"]
    assert metrics["length_ratio"] > 1
    assert metrics["num_parameters"] == 77


def test_samples_are_drawn_by_the_seed_and_complete(evaluation) -> None:
    documents, outputs = evaluation
    rows = sample_rows(documents, outputs, num_samples=8, seed=3)
    assert len({row["id"] for row in rows}) == 8
    assert rows == sample_rows(documents, outputs, num_samples=8, seed=3) != sample_rows(documents, outputs, 8, seed=4)
    for row in rows:
        index = outputs.ids.index(row["id"])
        assert row["document"] == documents[index]
        assert (row["reference"], row["hypothesis"]) == (outputs.references[index], outputs.hypotheses["model"][index])
        assert row["scores"] == pytest.approx(
            {kind: outputs.scores["model"].values[kind][index] for kind in ROUGE_TYPES}, abs=1e-4
        )
    everything = sample_rows(documents, outputs, num_samples=500, seed=3)
    assert [row["id"] for row in everything] == list(outputs.ids)


def test_the_table_shows_every_system_aligned(report: dict[str, Any]) -> None:
    lines = scores_table(report, markdown=True).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 5 + 1
    assert len({len(row) for row in rows}) == 1
    mean, low, high = report["systems"]["lead"]["rouge2"]
    (lead,) = (row for row in rows if row.startswith("| first 5 words"))
    assert lead.split("|")[3].strip() == f"{mean:.2f} [{low:.2f}, {high:.2f}]"
    assert "ROUGE-Lsum" in rows[0]
    assert "30 test pairs" in lines[-1]
    assert report["signature"] in lines[-1]


def test_on_a_terminal_the_table_has_no_marks_of_markdown(report: dict[str, Any]) -> None:
    plain = scores_table(report).splitlines()[:-2]
    assert not any("|" in line or "--" in line for line in plain)
    cells = [re.split(" {2,}", line.strip()) for line in plain]
    marked = [line.strip("| ").split("|") for line in scores_table(report, markdown=True).splitlines()[:-2]]
    assert cells[1:] == [[cell.strip() for cell in line] for line in marked[2:]]
    ends = {tuple(found.end() for found in re.finditer(r"\]", line)) for line in plain[1:-1]}
    assert len(ends) == 1  # the columns line up


def test_the_table_says_how_sure_the_gain_is(report: dict[str, Any]) -> None:
    paired = {kind: {"delta": -1.5, "p": 0.0005} for kind in ROUGE_TYPES} | {"rouge2": {"delta": 0.25, "p": 0.0123}}
    last = scores_table({**report, "paired": paired, "best_lead": "first_sentence"}, markdown=True).splitlines()[-3]
    assert [cell.strip() for cell in last.strip("|").split("|")] == [
        "model − first sentence",
        "-1.50 (p < 0.001)",
        "+0.25 (p = 0.012)",
        "-1.50 (p < 0.001)",
        "-1.50 (p < 0.001)",
    ]


def test_train_facts_are_read_and_further_keys_left(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({**TRAIN, "train_key": "abc"}))
    assert read_train_facts(path) == TRAIN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not found"),
        (b'{"wall_seconds": 1, "num_parameters": 2}', "no 'tokens_per_second'"),
        (b"{", "not a training report"),
        (b"[1]", "not a training report"),
        (b"\xff", "not a training report"),
    ],
)
def test_a_broken_training_report_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "train.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"train\.json: {message}"):
        read_train_facts(path)
