"""How sure a mean score, and a difference between two systems on the same pairs, is.

Scores are arrays of shape ``(num_pairs,)`` or ``(num_pairs, num_metrics)``; results have the shape of one row. Each
test draws whole pairs, so that a pair's metrics stay together. The same seed gives the same result.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVEL = 0.95
_CHUNK_DRAWS = 4_000_000
_ROUNDING = 1e-9  # differences of mean scores (0 to 100) that are nothing but rounding


class Interval(NamedTuple):
    """A mean and the interval that holds the true one with probability ``LEVEL``."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


class Comparison(NamedTuple):
    """The mean difference between two systems, and the two-sided p-value of there being none."""

    delta: FloatArray
    p: FloatArray


def bootstrap_interval(scores: FloatArray, num_samples: int, seed: int) -> Interval:
    """Percentile bootstrap of the mean (Efron and Tibshirani 1993, chapter 13)."""
    means = resampled_means(scores, num_samples, seed)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Interval(scores.mean(axis=0), low, high)


def paired_bootstrap(scores: FloatArray, baseline_scores: FloatArray, num_samples: int, seed: int) -> Comparison:
    """Paired bootstrap test (Koehn 2004), two-sided.

    Test sets are drawn with replacement. Of B of them the baseline is at least as good on b, the system on s: then
    p = min(1, 2 · (min(b, s) + 1) / (B + 1)). The added ones count the test set at hand as one of the draws (Davison
    and Hinkley 1997, equation 4.11), so that p is never 0 and its least value is 2 / (B + 1).
    """
    differences = _differences(scores, baseline_scores)
    means = resampled_means(differences, num_samples, seed)
    rarer = np.minimum((means <= _ROUNDING).sum(axis=0), (means >= -_ROUNDING).sum(axis=0))
    return Comparison(differences.mean(axis=0), np.minimum(1.0, 2 * (rarer + 1) / (num_samples + 1)))


def approximate_randomization(
    scores: FloatArray, baseline_scores: FloatArray, num_samples: int, seed: int
) -> Comparison:
    """Approximate randomization test (Noreen 1989), two-sided.

    If the systems do not differ, their scores on a pair may as well be swapped. p = (c + 1) / (B + 1), where c of B
    random swappings give a difference at least as large, either way, as the one at hand.
    """
    differences = _differences(scores, baseline_scores)
    observed = differences.mean(axis=0)
    rng = np.random.default_rng(seed)
    as_large = np.zeros(observed.shape, dtype=np.int64)
    for rows in _chunk_rows(num_samples, len(differences)):
        signs = 2.0 * rng.integers(2, size=(rows, len(differences)), dtype=np.int8) - 1
        swapped = signs @ differences / len(differences)
        as_large += (np.abs(swapped) >= np.abs(observed) - _ROUNDING).sum(axis=0)
    return Comparison(observed, (as_large + 1) / (num_samples + 1))


def _differences(scores: FloatArray, baseline_scores: FloatArray) -> FloatArray:
    if scores.shape != baseline_scores.shape:
        raise ValueError(f"scores of the same pairs expected, found shapes {scores.shape} and {baseline_scores.shape}")
    return scores - baseline_scores


def resampled_means(scores: FloatArray, num_samples: int, seed: int) -> FloatArray:
    """Means of ``num_samples`` test sets drawn with replacement: shape ``(num_samples,)`` or ``(…, num_metrics)``."""
    rng = np.random.default_rng(seed)
    num_pairs = len(scores)
    parts = []
    for rows in _chunk_rows(num_samples, num_pairs):
        drawn = rng.integers(num_pairs, size=(rows, num_pairs)) + num_pairs * np.arange(rows)[:, None]
        # How often each pair was drawn; a matrix product then gives the means of all metrics at once.
        times = np.bincount(drawn.ravel(), minlength=rows * num_pairs).reshape(rows, num_pairs)
        parts.append(times.astype(np.float64) @ scores / num_pairs)
    return np.concatenate(parts)


def _chunk_rows(num_samples: int, num_pairs: int) -> Iterator[int]:
    """Divides the samples so that memory stays bounded."""
    most = max(1, _CHUNK_DRAWS // num_pairs)
    for start in range(0, num_samples, most):
        yield min(most, num_samples - start)
