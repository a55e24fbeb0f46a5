"""The search by itself: what is drawn, and workers that are killed; `test_factory` has it with trainings."""

import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from pipeline.flows.search_space import PATH, Range, TuneParams, draw, load_space
from pipeline.flows.trials import STORAGE_VARIABLE, finished, opened_study, search
from pipeline.flows.workspace import set_overrides
from seq2sum.errors import UserError
from seq2sum.params_file import load_params
from tests.behaviour.corpus import ROOT

VALUES = {
    "seed": 3, "num_trials": 4, "random_trials": 2, "pruner": {"free_trials": 1, "free_steps": 0},
    "space": {"train.seed": {"low": 1, "high": 1000}, "train.weight_decay": {"low": 1e-9, "high": 0.1, "log": True},
              "train.precision": {"choices": ["float32", "bfloat16"]}},
}  # fmt: skip
PARAMS = TuneParams.model_validate(VALUES)
# Works on a trial until it is killed.
WORKER = """
import sys, time
from tests.flows.test_search import PARAMS
from pipeline.flows.search_space import draw
from pipeline.flows.trials import opened_study, search

def objective(trial):
    print(draw(trial, PARAMS.space), flush=True)
    time.sleep(600)

search(opened_study("s", PARAMS), 2, objective)
"""


@pytest.fixture(autouse=True)
def storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, f"sqlite:///{tmp_path}/tune.db")


def drawn_numbers(name: str, num_trials: int) -> list[list[str]]:
    study, drawn = opened_study(name, PARAMS), list[list[str]]()

    def objective(trial: optuna.Trial) -> float:
        drawn.append(draw(trial, PARAMS.space))
        return float(trial.params["train.seed"])

    search(study, num_trials, objective)
    return drawn


@pytest.mark.parametrize("number", range(3))
def test_what_the_projects_search_draws_fits_its_params(tmp_path, number):
    params = tmp_path / "params.yaml"
    params.write_bytes((ROOT / "params.yaml").read_bytes())
    space = load_space(ROOT).space
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
    set_overrides(params, draw(study.ask(), space))
    assert load_params(params) != load_params(ROOT / "params.yaml")


@given(low=st.floats(1e-12, 0.1), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_every_number_is_written_so_that_params_read_the_same(tmp_path_factory, low, seed):
    params = tmp_path_factory.mktemp("p") / "params.yaml"
    params.write_bytes((ROOT / "params.yaml").read_bytes())
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    set_overrides(params, draw(trial, {"train.weight_decay": Range(low=low, high=0.2, log=True)}))
    assert load_params(params).train.weight_decay == trial.params["train.weight_decay"]


def test_a_search_draws_the_same_again_and_never_one_trial_twice():
    first = drawn_numbers("one", 4)
    assert first == drawn_numbers("two", 4)
    assert len({tuple(drawn) for drawn in first}) == 4
    for overrides in first:
        values = {key: yaml.safe_load(text) for key, _, text in (one.partition("=") for one in overrides)}
        assert isinstance(values["train.seed"], int)
        assert 1e-9 <= values["train.weight_decay"] <= 0.1
        assert values["train.precision"] in ("float32", "bfloat16")


def test_a_search_that_goes_on_counts_what_is_finished():
    assert len(drawn_numbers("s", 2)) == 2
    assert len(drawn_numbers("s", 3)) == 1
    assert drawn_numbers("s", 3) == []


def test_the_trial_of_a_killed_worker_is_taken_up_again_with_its_values():
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    lost = worker.stdout.readline().strip()
    # Another worker leaves alone what is worked on.
    study, seen = opened_study("s", PARAMS), list[str]()

    def objective(trial: optuna.Trial) -> float:
        seen.append(str(draw(trial, PARAMS.space)))
        return 1.0

    search(study, 1, objective)
    assert lost not in seen
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    search(study, 3, objective)
    assert seen[1] == lost
    assert len(seen) == len(finished(study)) == 3
    states = [trial.state for trial in study.get_trials()]
    assert states.count(TrialState.FAIL) == 1
    assert TrialState.RUNNING not in states


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"space": {"train.seed": {"low": 3, "high": 3}}}, "train.seed"),
        ({"space": {"train.seed": {"low": 0, "high": 3, "log": True}}}, "logarithmic"),
        ({"space": {"train.seed": {"choices": []}}}, "train.seed"),
        ({"space": {"train.seed": {"min": 1, "max": 2}}}, "train.seed"),
        ({"space": {}}, "space"),
        ({"num_trials": 0}, "num_trials"),
        ({"seeds": 1}, "seeds"),
    ],
)
def test_what_does_not_fit_in_the_file_is_named(tmp_path, changes, named):
    (tmp_path / PATH).write_text(yaml.safe_dump(VALUES | changes))
    with pytest.raises(UserError, match=named):
        load_space(tmp_path)


def test_a_storage_that_can_not_be_opened_is_named(monkeypatch):
    monkeypatch.setenv(STORAGE_VARIABLE, "sqlite:////nowhere/tune.db")
    with pytest.raises(UserError, match=STORAGE_VARIABLE):
        opened_study("s", PARAMS)
