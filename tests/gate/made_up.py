"""Made-up measures and params for the tests of this folder."""

from pathlib import Path
from typing import Any

import numpy as np

from seq2sum.config import PromoteParams
from seq2sum.gate.measures import Measures
from seq2sum.params_file import load_params

COMMITTED = load_params(Path(__file__).parents[2] / "params.yaml").promote


def params(**changes: Any) -> PromoteParams:
    return PromoteParams.model_validate({**COMMITTED.model_dump(), "bootstrap_samples": 400, "seed": 3, **changes})


def measures(num_pairs: int, seed: int, **changes: Any) -> Measures:
    """Like a fair model's: noisy scores, a little repetition, lengths near the references'."""
    rng = np.random.default_rng(seed)
    columns = {
        "rouge": rng.normal([40, 20, 35], 12, size=(num_pairs, 3)),
        "repetition": rng.random(num_pairs) * 0.05,
        "unsupported": rng.choice([0.0, 0.5], size=num_pairs, p=[0.9, 0.1]),
        "copied": rng.random(num_pairs) * 0.2,
        "num_words": rng.integers(5, 12, size=num_pairs).astype(float),
        "reference_words": np.full(num_pairs, 9.0),
    }
    given = {name: np.broadcast_to(value, columns[name].shape) for name, value in changes.items()}
    return Measures(**{**columns, **given})
