"""How often the gate errs: verdicts on made-up challengers whose worth is known, drawn from measured test pairs.

The population is what two models of like worth scored on the same pairs. A trial draws pairs with replacement. *Equal*
systems: on each pair a coin says which model's summary is the challenger's, so that the two differ by chance alone.
A *better* system: the coin is loaded towards the summary with the higher ROUGE-1, as much as gives the wanted gain.
*Degenerate* systems write what no one wants to read, and get a ROUGE that no honest system reaches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from seq2sum.config import PromoteParams
from seq2sum.gate.evidence import needed_pairs, weigh_trials
from seq2sum.gate.measures import Measures
from seq2sum.gate.verdict import Verdict, decide

_TRIALS_AT_ONCE = 50
_UNBEATABLE_ROUGE = 30.0  # points more than the champion on every pair
_DEGENERATE_SHARES = (0.1, 0.3, 1.0)
# A tenth more pairs than the formula says: that is for one test, and the gate wants two and the margins besides.
_SPARE = 1.1


def simulate(
    first: Measures,
    second: Measures,
    degenerate: Mapping[str, Measures],
    params: PromoteParams,
    num_trials: int,
    num_degenerate_trials: int,
    seed: int,
) -> dict[str, object]:
    """The report: shares of verdicts in ``num_trials`` trials with equal systems and as many with a better one.

    ``false_promotion``: share of equal challengers that were promoted. ``power``: share of those better by ``effect``.
    ``degenerate_promotions``: for each kind in ``degenerate`` how many were promoted, which is to be none. Test sets
    have the size that the params' effect needs, see :func:`seq2sum.gate.evidence.needed_pairs`. Raises ValueError if
    the two models differ too little to make a better one of them.
    """
    gain = first.rouge[:, 0] - second.rouge[:, 0]
    num_pairs = max(params.min_pairs, round(_SPARE * needed_pairs(float(gain.std(ddof=1)), params)))
    bias = params.effect / float(np.abs(gain).mean())
    if bias > 1:
        raise ValueError(f"no choice between the two models' summaries is better by {params.effect} points")
    rng = np.random.default_rng(seed)
    equal = _verdicts(first, second, 0.0, num_pairs, num_trials, params, rng)
    better = _verdicts(first, second, bias, num_pairs, num_trials, params, rng)
    return {
        "num_trials": num_trials,
        "num_pairs": num_pairs,
        "population_pairs": len(gain),
        "effect": params.effect,
        "alpha": params.alpha,
        "false_promotion": _share(equal, "promote"),
        "power": _share(better, "promote"),
        "verdicts": {
            name: {decision: _share(found, decision) for decision in ("promote", "keep", "insufficient_data")}
            for name, found in (("equal", equal), ("better", better))
        },
        "num_degenerate_trials": num_degenerate_trials * len(_DEGENERATE_SHARES),
        "degenerate_promotions": {
            kind: _degenerate_promotions(first, bad, num_pairs, num_degenerate_trials, params, rng)
            for kind, bad in degenerate.items()
        },
    }


def _verdicts(
    first: Measures,
    second: Measures,
    bias: float,
    num_pairs: int,
    num_trials: int,
    params: PromoteParams,
    rng: np.random.Generator,
) -> list[Verdict]:
    """``bias``: with probability (1 + bias) / 2 the challenger has the summary with the higher ROUGE-1."""
    found: list[Verdict] = []
    first_is_better = np.sign(first.rouge[:, 0] - second.rouge[:, 0])
    while len(found) < num_trials:
        drawn = rng.integers(len(first_is_better), size=(min(_TRIALS_AT_ONCE, num_trials - len(found)), num_pairs))
        takes_first = rng.random(drawn.shape) < (1 + bias * first_is_better[drawn]) / 2
        ours, theirs = first.rows(drawn), second.rows(drawn)
        challenger, champion = mixed(ours, theirs, takes_first), mixed(ours, theirs, ~takes_first)
        found += [decide(evidence, {}, params) for evidence in weigh_trials(challenger, champion, params)]
    return found


def _degenerate_promotions(
    champion: Measures, bad: Measures, num_pairs: int, num_trials: int, params: PromoteParams, rng: np.random.Generator
) -> int:
    """Promotions of the champion's own summaries, of which a share is replaced by bad ones, at an unbeatable ROUGE."""
    num_promoted = 0
    for share in _DEGENERATE_SHARES:
        drawn = rng.integers(len(bad.num_words), size=(num_trials, num_pairs))
        theirs = champion.rows(drawn)
        ours = mixed(bad.rows(drawn), theirs, rng.random(drawn.shape) < share)
        ours = replace(ours, rouge=np.minimum(100.0, theirs.rouge + _UNBEATABLE_ROUGE))
        verdicts = [decide(evidence, {}, params) for evidence in weigh_trials(ours, theirs, params)]
        num_promoted += sum(verdict.decision == "promote" for verdict in verdicts)
    return num_promoted


def mixed(first: Measures, second: Measures, takes_first: NDArray[np.bool_]) -> Measures:
    """Pair by pair the measures of the first or of the second system."""

    def choose(name: str) -> NDArray[np.float64]:
        ours, theirs = getattr(first, name), getattr(second, name)
        chosen = takes_first.reshape(takes_first.shape + (1,) * (ours.ndim - takes_first.ndim))
        either: NDArray[np.float64] = np.where(chosen, ours, theirs)
        return either

    return Measures(**{field.name: choose(field.name) for field in fields(Measures)})


def _share(verdicts: Sequence[Verdict], decision: str) -> float:
    return sum(verdict.decision == decision for verdict in verdicts) / len(verdicts)
