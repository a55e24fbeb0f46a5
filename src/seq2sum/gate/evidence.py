"""What a test set says of a challenger beside the champion: differences, how sure they are, and what could be seen.

Many comparisons are made at once, as a simulation needs them; one is the case of a single trial.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from seq2sum.config import PromoteParams
from seq2sum.evaluation.significance import approximate_randomization, paired_bootstrap, resampled_means
from seq2sum.gate.measures import GATE_ROUGE, Measures

FloatArray = NDArray[np.float64]

# What must not get worse, in the order of the columns below; more is worse for each.
MARGINS = ("repetition", "unsupported", "length_drift")
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class RougeGain:
    """The challenger's gain in one ROUGE type, in points, with its 95 % interval.

    ``p_bootstrap`` and ``p_randomization`` are two-sided; ``p`` is the larger of them under Holm's correction for
    several types. ``detectable``: the gain that this test set shows with the probability ``power`` of the params.
    """

    champion: float
    challenger: float
    delta: float
    low: float
    high: float
    p_bootstrap: float
    p_randomization: float
    p: float
    detectable: float


@dataclass(frozen=True)
class Worsening:
    """How much worse the challenger is by a measure, with its 95 % interval (one point where nothing was sampled)."""

    champion: float
    challenger: float
    delta: float
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on the summaries rests on. ``degenerate``: the challenger's share of degenerate summaries."""

    num_pairs: int
    rouge: dict[str, RougeGain]
    worsenings: dict[str, Worsening]
    degenerate: float


def weigh(challenger: Measures, champion: Measures, params: PromoteParams) -> Evidence:
    """Compares two systems on the same test pairs, arrays of shape ``(num_pairs,)``."""
    one = np.arange(len(challenger.num_words))[None]
    return weigh_trials(challenger.rows(one), champion.rows(one), params)[0]


def weigh_trials(challenger: Measures, champion: Measures, params: PromoteParams) -> list[Evidence]:
    """Like :func:`weigh` for many pairs of systems: arrays of shape ``(trials, num_pairs)``.

    Every trial is resampled by the same draws, those of the params' seed, as each call of :func:`weigh` is.
    """
    num_trials, num_pairs = challenger.num_words.shape
    # Trials become further columns of the tables that the tests take: (num_pairs, trials · types).
    ours, theirs = (np.moveaxis(system.rouge, 0, 1).reshape(num_pairs, -1) for system in (challenger, champion))
    bootstrap = paired_bootstrap(ours, theirs, params.bootstrap_samples, params.seed).p
    randomization = approximate_randomization(ours, theirs, params.bootstrap_samples, params.seed).p
    p = holm(np.maximum(bootstrap, randomization).reshape(num_trials, -1))
    low, high = np.quantile(resampled_means(ours - theirs, params.bootstrap_samples, params.seed), _INTERVAL, axis=0)
    columns = {
        "champion": theirs.mean(axis=0),
        "challenger": ours.mean(axis=0),
        "delta": (ours - theirs).mean(axis=0),
        "low": low,
        "high": high,
        "p_bootstrap": bootstrap,
        "p_randomization": randomization,
        "p": p,
        "detectable": detectable_gain((ours - theirs).std(axis=0, ddof=1), num_pairs, params),
    }
    tables = {name: values.reshape(num_trials, len(GATE_ROUGE)) for name, values in columns.items()}
    worsenings = _worsenings(challenger, champion, params)
    degenerate = is_degenerate(challenger, params).mean(axis=1)
    return [
        Evidence(
            num_pairs,
            {
                kind: RougeGain(**{name: float(table[trial, column]) for name, table in tables.items()})
                for column, kind in enumerate(GATE_ROUGE)
            },
            {kind: Worsening(*map(float, rows[trial])) for kind, rows in worsenings.items()},
            float(degenerate[trial]),
        )
        for trial in range(num_trials)
    ]


def is_degenerate(system: Measures, params: PromoteParams) -> NDArray[np.bool_]:
    """Which summaries are none, whatever their ROUGE: without a word, mostly repetition, or much of their document."""
    found: NDArray[np.bool_] = np.logical_or.reduce(
        [system.num_words == 0, system.repetition >= params.looping, system.copied >= params.copying]
    )
    return found


def holm(p: FloatArray) -> FloatArray:
    """Holm's (1979) step-down correction of the p-values in each row, shape ``(rows, tests)``."""
    num_tests = p.shape[1]
    order = np.argsort(p, axis=1)
    stepped = np.take_along_axis(p, order, axis=1) * np.arange(num_tests, 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(np.minimum(1.0, stepped), axis=1), axis=1)
    return adjusted


def detectable_gain(deviation: FloatArray, num_pairs: int, params: PromoteParams) -> FloatArray:
    """The mean difference that the corrected two-sided test finds with the probability ``power``.

    ``deviation``: standard deviation of the pairs' differences. Normal approximation, at Holm's first and strictest
    step: (z(1 − α / 2m) + z(power)) · s / √n for m ROUGE types.
    """
    gain: FloatArray = _standard_gain(params) * deviation / np.sqrt(num_pairs)
    return gain


def needed_pairs(deviation: float, params: PromoteParams) -> int:
    """Test pairs from which on a gain of ``params.effect`` points is detectable: the inverse of the above."""
    return int(np.ceil((_standard_gain(params) * deviation / params.effect) ** 2))


def _standard_gain(params: PromoteParams) -> float:
    return float(norm.ppf(1 - params.alpha / (2 * len(GATE_ROUGE))) + norm.ppf(params.power))


def _worsenings(challenger: Measures, champion: Measures, params: PromoteParams) -> dict[str, FloatArray]:
    """Of each of ``MARGINS`` the columns of :class:`Worsening`, shape ``(trials, 5)``.

    ``length_drift`` is how far the length ratio (words over the references' words) is from 1.
    """
    reference_words = challenger.reference_words.mean(axis=1, keepdims=True)
    # Shape (num_pairs, 6 · trials): three measures of either system.
    table = np.concatenate(
        [
            part.T
            for system in (challenger, champion)
            for part in (system.repetition, system.unsupported, system.num_words / reference_words)
        ],
        axis=1,
    )
    means = np.concatenate([table.mean(axis=0)[None], resampled_means(table, params.bootstrap_samples, params.seed)])
    ours, theirs = np.split(means.reshape(len(means), 2, len(MARGINS), -1), 2, axis=1)
    ours, theirs = ours[:, 0], theirs[:, 0]  # (1 + samples, measures, trials)
    ours[:, -1], theirs[:, -1] = abs(ours[:, -1] - 1), abs(theirs[:, -1] - 1)
    worse = ours - theirs
    low, high = np.quantile(worse[1:], _INTERVAL, axis=0)
    columns = np.stack([theirs[0], ours[0], worse[0], low, high], axis=-1)
    return dict(zip(MARGINS, columns, strict=True))
