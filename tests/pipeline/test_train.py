"""What the train stage says of a training."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.stages.train import _num_passes
from seq2sum.data.encoded import EncodedColumn, EncodedPairs
from seq2sum.params_file import load_params
from seq2sum.training.phase import likelihood_phase, pretraining_phase

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("pretraining_steps", "last_step"), [(0, 30), (7, 37), (7, 17)])
def test_passes_are_those_that_patience_left_and_pretraining_is_none_of_them(
    tmp_path: Path, pretraining_steps: int, last_step: int
) -> None:
    params = load_params(ROOT / "params.yaml").train
    params = params.model_copy(
        update={
            "max_steps": 30,
            "batch_tokens": 24,  # two of the pairs below: 2 × (8 + 3 + 1)
            "pretrain": params.pretrain.model_copy(update={"max_steps": pretraining_steps}),
        }
    )
    columns = [EncodedColumn(pa.chunked_array([pa.array([[9] * size] * 10, pa.list_(pa.int32()))])) for size in (8, 3)]
    pairs = EncodedPairs(*columns)
    phases = [pretraining_phase(params, pairs), likelihood_phase(params, pairs, lambda model: 0.0)]
    journal = tmp_path / "journal.jsonl"
    entries = [("pretraining", 5), ("likelihood", pretraining_steps + 1), ("likelihood", last_step), ("reward", 99)]
    journal.write_text(
        "".join(json.dumps({"step": step, "phase": name, "values": {}}) + "\n" for name, step in entries)
    )
    steps = last_step - pretraining_steps
    assert _num_passes(phases if pretraining_steps else phases[1:], params, journal) == steps / 5
