from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seq2sum.errors import UserError
from seq2sum.evaluation.comparison import compare_outputs, compare_scores
from seq2sum.evaluation.rouge import ROUGE_TYPES, RougeScores
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs, read_outputs, write_outputs
from tests.evaluation.texts import PLAIN, make_outputs


@pytest.fixture(scope="module")
def outputs() -> SystemOutputs:
    return make_outputs(25)[1]


def test_reads_back_what_was_written(tmp_path: Path, outputs: SystemOutputs) -> None:
    path = tmp_path / "outputs.parquet"
    write_outputs(path, outputs)
    again = read_outputs(path)
    assert (again.ids, again.references) == (outputs.ids, outputs.references)
    assert again.hypotheses == outputs.hypotheses
    assert list(again.scores) == list(outputs.scores)
    for system, scores in outputs.scores.items():
        assert again.scores[system].signature == scores.signature
        np.testing.assert_array_equal(again.scores[system].table(), scores.table())


def test_a_comparison_tells_who_is_better_and_how_surely(tmp_path: Path, outputs: SystemOutputs) -> None:
    path = tmp_path / "outputs.parquet"
    write_outputs(path, outputs)
    same = compare_outputs(read_outputs(path), outputs, MODEL, num_samples=99, seed=1)
    assert same == {kind: {"delta": 0.0, "p": 1.0, "p_randomization": 1.0} for kind in ROUGE_TYPES}
    gain = compare_scores(outputs.scores[MODEL], outputs.scores["lead"], num_samples=99, seed=1)["rouge1"]
    expected = outputs.scores[MODEL].means()["rouge1"] - outputs.scores["lead"].means()["rouge1"]
    assert gain == pytest.approx({"delta": expected, "p": 2 / 100, "p_randomization": 1 / 100})


def test_evaluations_by_other_metrics_or_of_other_pairs_are_not_compared(outputs: SystemOutputs) -> None:
    with pytest.raises(UserError, match="stemmer:none"):
        compare_outputs(outputs, make_outputs(25, PLAIN)[1], MODEL, num_samples=9, seed=1)
    other_ids = replace(outputs, ids=[*outputs.ids[1:], "another"])
    other_references = replace(outputs, references=[*outputs.references[1:], "another"])
    for other in (other_ids, other_references):
        with pytest.raises(UserError, match="different test sets"):
            compare_outputs(outputs, other, MODEL, num_samples=9, seed=1)
    with pytest.raises(UserError, match="no system 'oracle2'"):
        compare_outputs(outputs, outputs, "oracle2", num_samples=9, seed=1)


def test_scores_of_two_metrics_do_not_go_into_one_file(tmp_path: Path, outputs: SystemOutputs) -> None:
    mixed = {**outputs.scores, "lead": RougeScores("another", outputs.scores["lead"].values)}
    with pytest.raises(ValueError, match="too many values"):
        write_outputs(tmp_path / "outputs.parquet", replace(outputs, scores=mixed))
    assert not list(tmp_path.iterdir())


def test_broken_files_are_named(tmp_path: Path, outputs: SystemOutputs) -> None:
    path = tmp_path / "outputs.parquet"
    with pytest.raises(UserError, match=r"outputs\.parquet: not found"):
        read_outputs(path)
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(UserError, match=r"outputs\.parquet: not a readable Parquet file"):
        read_outputs(path)
    pq.write_table(pa.table({"id": ["1"]}), path)
    with pytest.raises(UserError, match=r"outputs\.parquet: not a table of scored summaries"):
        read_outputs(path)
    write_outputs(path, outputs)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(UserError, match="not a table of scored summaries"):
        read_outputs(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(UserError, match="not run on the same pairs"):
        read_outputs(path)
