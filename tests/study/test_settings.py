from pathlib import Path

import pytest
import yaml

from pipeline import paths
from seq2sum.errors import UserError
from seq2sum.params_file import load_yaml
from study.networks import params_with
from study.settings import StudyParams
from tests.study.params import STUDY

ROOT = Path(__file__).parents[2]


def test_encoders_get_states_of_equal_size_and_the_studys_budget(monkeypatch):
    monkeypatch.chdir(ROOT)
    for encoder in STUDY.runs.encoders:
        params = params_with(encoder, STUDY.corpus)
        assert params.train.model.encoder == encoder
        assert params.train.model.state_size == STUDY.corpus.state_size
        assert params.train.max_steps == STUDY.corpus.params["train"]["max_steps"]


def test_a_budget_for_a_key_that_params_lack_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert paths.PARAMS.exists()
    corpus = STUDY.corpus.model_copy(update={"params": {"train": {"num_steps": 3}}})
    with pytest.raises(UserError, match=r"study/params\.yaml: train\.num_steps: unknown"):
        params_with("lstm", corpus)


def test_a_matrix_without_what_the_claims_compare_is_refused(tmp_path):
    values = yaml.safe_load((ROOT / "study/params.yaml").read_text())
    values["runs"]["recall"]["encoders"] = ["rnn"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"runs: recall\.encoders lacks bilstm, lstm"):
        load_yaml(path, StudyParams)
