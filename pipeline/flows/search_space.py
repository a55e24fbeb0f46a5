"""What `tune` searches: tune.yaml as frozen, strict models, and overrides drawn from it."""

import hashlib
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial
from pydantic import Field, model_validator

from pipeline.preset import as_yaml
from seq2sum.params_file import load_yaml
from seq2sum.section import Count, Section, Seed

PATH = Path("tune.yaml")


class Range(Section):
    """Numbers from ``low`` to ``high``, both included; whole ones where both are."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _has_numbers(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) is not below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) is not above 0, as a logarithmic scale needs it")
        return self


class Choices(Section):
    """One of these values."""

    choices: list[bool | int | float | str] = Field(min_length=1)


class PrunerParams(Section):
    """When a trial is given up: its best loss so far is above the median of the others' at that step."""

    free_trials: int = Field(ge=1)
    free_steps: int = Field(ge=0)


class TuneParams(Section):
    """The file."""

    seed: Seed
    num_trials: Count
    random_trials: Count
    pruner: PrunerParams
    space: dict[str, Range | Choices] = Field(min_length=1)


def load_space(folder: Path) -> TuneParams:
    """The project's search. Raises UserError naming each bad key."""
    return load_yaml(folder / PATH, TuneParams)


def draw(trial: optuna.Trial, space: dict[str, Range | Choices]) -> list[str]:
    """A value for every key, as overrides."""
    return as_overrides({name: _draw(trial, name, kind) for name, kind in space.items()})


def _draw(trial: optuna.Trial, name: str, kind: Range | Choices) -> Any:
    if isinstance(kind, Choices):
        return trial.suggest_categorical(name, kind.choices)
    if isinstance(kind.low, int) and isinstance(kind.high, int):
        return trial.suggest_int(name, kind.low, kind.high, log=kind.log)
    return trial.suggest_float(name, kind.low, kind.high, log=kind.log)


def as_overrides(values: dict[str, Any]) -> list[str]:
    """As `train` takes them."""
    return [f"{name}={as_yaml(value)}" for name, value in values.items()]


class NumberedSampler(BaseSampler):
    """Tree-structured Parzen estimators whose randomness depends on the seed, the trial's number and the key alone.

    A sampler with one seed would have each of several workers, and one that goes on after a kill, draw the same again.
    """

    def __init__(self, seed: int, random_trials: int) -> None:
        self._seed, self._random_trials = seed, random_trials

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """None: each key is drawn by itself."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None, as above."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Takes trials that others are at as bad ones, so that workers look in different places."""
        digest = hashlib.sha256(f"{self._seed} {trial.number} {param_name}".encode()).digest()
        sampler = TPESampler(n_startup_trials=self._random_trials, constant_liar=True, seed=int.from_bytes(digest[:4]))
        return sampler.sample_independent(study, trial, param_name, param_distribution)
