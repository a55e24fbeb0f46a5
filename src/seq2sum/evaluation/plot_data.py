"""The numbers behind the plots, as CSV files that `dvc plots` reads."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2sum.data.overlap import words

_MOST_BARS = 40
_LONGEST_SHARE = 0.99
_GROUPS = 10


class Curve(NamedTuple):
    """A training value by step."""

    steps: list[int]
    values: list[float]


class Histogram(NamedTuple):
    """Counts, shape (bars,), between whole-numbered edges, shape (bars + 1,)."""

    edges: NDArray[np.int64]
    counts: NDArray[np.int64]


class ScoresByLength(NamedTuple):
    """Groups of documents of like length, the shortest first."""

    mean_words: list[float]
    num_pairs: list[int]
    scores: dict[str, list[float]]


def curves_of(points: Iterable[tuple[str, int, float]]) -> dict[str, Curve]:
    """The curves in (name, step, value) points; a value that is no finite number is left out."""
    curves: dict[str, Curve] = {}
    for name, step, value in points:
        if math.isfinite(value):
            curve = curves.setdefault(name, Curve([], []))
            curve.steps.append(step)
            curve.values.append(value)
    return curves


def count_words(texts: Sequence[str]) -> NDArray[np.int64]:
    """Words of each text, shape (texts,)."""
    return np.array([len(words(text)) for text in texts], dtype=np.int64)


def length_histograms(lengths: Mapping[str, NDArray[np.int64]]) -> dict[str, Histogram]:
    """Histograms with common edges. The last bar also takes the longest 1 % of all lengths."""
    longest = int(np.quantile(np.concatenate(list(lengths.values())), _LONGEST_SHARE, method="higher"))
    width = 1 + longest // _MOST_BARS
    edges = np.arange(0, longest + width + 1, width)
    return {
        name: Histogram(edges, np.histogram(np.minimum(values, longest), edges)[0]) for name, values in lengths.items()
    }


def scores_by_length(lengths: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]]) -> ScoresByLength:
    """Mean scores in (up to) ten groups of equal size by document length."""
    groups = np.array_split(np.argsort(lengths, kind="stable"), min(_GROUPS, len(lengths)))
    return ScoresByLength(
        mean_words=[float(lengths[group].mean()) for group in groups],
        num_pairs=[len(group) for group in groups],
        scores={name: [float(values[group].mean()) for group in groups] for name, values in scores.items()},
    )


def write_csv(path: Path, columns: Mapping[str, Iterable[object]]) -> None:
    """Writes a table given by its columns."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
