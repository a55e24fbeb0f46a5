"""Small settings of the study, for its tests."""

from pathlib import Path

from seq2sum.params_file import load_yaml
from study.settings import RecallParams, StudyParams

STUDY = load_yaml(Path(__file__).parents[2] / "study/params.yaml", StudyParams)


def recall_params(**changes: object) -> RecallParams:
    small = {
        "lags": [3, 6], "num_symbols": 4, "embedding_size": 8, "state_size": 16, "batch_rows": 16, "num_steps": 30,
        "learning_rate": 0.02, "warmup_steps": 5, "num_test": 40, "gate_lag": 5, "log_every": 10,
    }  # fmt: skip
    return RecallParams.model_validate(STUDY.recall.model_dump() | small | changes)
