"""What the study's stages measured, as the claims, tables and figures ask for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study import settings
from study.settings import Runs

Measured = Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """``recall``: for each encoder a measurement per seed. ``corpus``: for each encoder the training on all pairs.

    ``sizes``: for each encoder the trainings by number of pairs, rising, the one on all pairs included.
    """

    recall: Mapping[str, Sequence[Measured]]
    corpus: Mapping[str, Measured]
    sizes: Mapping[str, Sequence[Measured]]
    cost: Measured

    @property
    def lags(self) -> list[int]:
        """The lags of the recall task, rising."""
        return sorted(int(lag) for lag in self.recall["lstm"][0]["accuracy"])

    @property
    def lengths(self) -> list[int]:
        """The row lengths at which encoders were timed, rising."""
        return sorted(map(int, self.cost["encoders"]["lstm"]["seconds_per_token"]["1"]))


def read_results(runs: Runs) -> Results:
    """Reads the files of all ``runs``."""
    corpus: dict[str, Measured] = {encoder: _read(settings.corpus_file(encoder, None)) for encoder in runs.encoders}
    sizes = {
        encoder: [_read(settings.corpus_file(encoder, size)) for size in sorted(runs.sizes.num_pairs)]
        for encoder in runs.sizes.encoders
    }
    return Results(
        recall={
            encoder: [_read(settings.recall_file(encoder, seed)) for seed in runs.recall.seeds]
            for encoder in runs.recall.encoders
        },
        corpus=corpus,
        sizes={encoder: [*parts, corpus[encoder]] for encoder, parts in sizes.items()},
        cost=_read(settings.COST),
    )


def _read(path: Path) -> Measured:
    content: Measured = json.loads(path.read_text(encoding="utf-8"))
    return content


def scores(measured: Measured, kind: str = "rouge1", system: str = "model") -> NDArray[np.float64]:
    """ROUGE F1 × 100 of each test pair, shape ``(num_pairs,)``."""
    return np.array(measured["rouge"][system][kind])


def mean_score(measured: Measured, kind: str = "rouge1", system: str = "model") -> float:
    """Mean ROUGE F1 × 100."""
    return float(scores(measured, kind, system).mean())


def longest_solved_lag(measured: Measured, solved_accuracy: float) -> int:
    """The longest lag such that it and all shorter ones are answered that well; 0 if not even the shortest is."""
    longest = 0
    for lag, accuracy in sorted((int(lag), accuracy) for lag, accuracy in measured["accuracy"].items()):
        if accuracy < solved_accuracy:
            break
        longest = lag
    return longest


def gradient_ratio(measured: Measured, when: str) -> float:
    """Gradient at the longest lag over that at the shortest, ``before`` or ``after`` training."""
    by_lag = {int(lag): norm for lag, norm in measured["gradient"][when].items()}
    at_longest, at_shortest = by_lag[max(by_lag)], by_lag[min(by_lag)]
    return float(at_longest / at_shortest) if at_longest else 0.0


def norm_ratio(measured: Measured) -> float:
    """The training's largest gradient norm over its first."""
    return float(measured["largest_norm"] / measured["first_norm"])


def seconds_per_token(results: Results, encoder: str, length: int, threads: str = "1") -> float:
    """Time of an encoder, forward and backward, for rows of ``length``."""
    return float(results.cost["encoders"][encoder]["seconds_per_token"][threads][str(length)])


def cpu_seconds_to(measured: Measured, loss: float) -> float | None:
    """CPU seconds of training until the validation loss is as low as ``loss``, or None if it never is."""
    validation = measured["validation"]
    for step, found in zip(validation["steps"], validation["losses"], strict=True):
        if found <= loss:
            return float(measured["cpu_seconds"] * step / measured["steps"])
    return None
