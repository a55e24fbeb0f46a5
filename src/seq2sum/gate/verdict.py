"""The gate's decision: from evidence to promote, keep or insufficient_data, with a reason for each check."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seq2sum.config import PromoteParams
from seq2sum.evaluation.table import ROUGE_NAMES
from seq2sum.gate.evidence import Evidence, FloatArray, RougeGain, Worsening

Outcome = Literal["pass", "fail", "undecided"]
Decision = Literal["promote", "keep", "insufficient_data"]

_WORDS = {
    "repetition": "repetition",
    "unsupported": "unsupported numbers and names",
    "length_drift": "distance of the length ratio from 1",
}


@dataclass(frozen=True)
class Check:
    """One condition: whether the evidence shows it, shows the contrary or leaves it open, and why."""

    name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The decision and the checks that it follows from."""

    decision: Decision
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """What the decision rests on: the checks that did not pass, or all of them for a promotion."""
        telling = [check for check in self.checks if check.outcome != "pass"] or self.checks
        return [f"{check.name}: {check.reason}" for check in telling]


def decide(evidence: Evidence, costs: Mapping[str, Worsening], params: PromoteParams) -> Verdict:
    """The verdict on a challenger. ``costs``: its latency and size as shares of the champion's, see :func:`cost`
    and :func:`latency_cost`.

    A failed check keeps the champion. Otherwise an undecided one, or too few test pairs, says that the data does not
    suffice. A challenger is promoted only if every check passes.
    """
    checks = (
        _enough_pairs(evidence.num_pairs, params),
        _degenerate(evidence.degenerate, params),
        _gain(evidence.rouge, params),
        *(_no_loss(kind, gain, params) for kind, gain in evidence.rouge.items()),
        *_margins({**evidence.worsenings, **costs}, params),
    )
    outcomes = {check.outcome for check in checks}
    decision: Decision = "promote"
    if "fail" in outcomes:
        decision = "keep"
    elif "undecided" in outcomes:
        decision = "insufficient_data"
    return Verdict(decision, checks)


def cost(challenger: float, champion: float) -> Worsening:
    """A cost (seconds, bytes) as a worsening: the relative growth over the champion's."""
    growth = challenger / champion - 1
    return Worsening(champion, challenger, growth, growth, growth)


def latency_cost(challenger: FloatArray, champion: FloatArray) -> Worsening:
    """Like :func:`cost`, of seconds measured in turns, shape ``(turns,)``: the medians, and the median of the ratios.

    A load from elsewhere that meets a turn of both leaves their ratio as it is, and one that meets some turns only
    leaves the median.
    """
    growth = float(np.median(challenger / champion)) - 1
    return Worsening(float(np.median(champion)), float(np.median(challenger)), growth, growth, growth)


def _enough_pairs(num_pairs: int, params: PromoteParams) -> Check:
    enough = num_pairs >= params.min_pairs
    reason = f"{num_pairs:,} test pairs, {'at least' if enough else 'but'} {params.min_pairs:,} are asked for"
    if not enough:
        reason += " (promote.min_pairs): judge by a larger test split, from more pairs or a larger split.test_share"
    return Check("pairs", "pass" if enough else "undecided", reason)


def _degenerate(share: float, params: PromoteParams) -> Check:
    most = params.max_degenerate_share
    reason = f"{share:.1%} of its summaries are empty, loop or copy their document; at most {most:.1%} may"
    return Check("degenerate", "pass" if share <= most else "fail", reason)


def _gain(gains: Mapping[str, RougeGain], params: PromoteParams) -> Check:
    """Passes with a significant gain in one ROUGE type; undecided where a gain that matters might have been missed."""
    shown = [kind for kind, gain in gains.items() if gain.p < params.alpha and gain.delta > 0]
    listed = "; ".join(f"{ROUGE_NAMES[kind]} {gain.delta:+.2f} (p = {gain.p:.3f})" for kind, gain in gains.items())
    if shown:
        return Check("gain", "pass", listed)
    detectable = gains["rouge1"].detectable
    seen = f"a gain of {detectable:.2f} in ROUGE-1 would have shown with probability {params.power:.0%}"
    if detectable > params.effect and gains["rouge1"].high > 0:
        return Check("gain", "undecided", f"{listed}: no sure gain; {seen}, {params.effect:.2f} was asked for")
    return Check("gain", "fail", f"{listed}: no sure gain, though {seen}")


def _no_loss(kind: str, gain: RougeGain, params: PromoteParams) -> Check:
    most = params.max_rouge_loss
    outcome = _within(-gain.high, -gain.low, most)
    reason = f"{gain.delta:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]; it may lose {most:.2f} at most"
    return Check(f"{kind} loss", outcome, reason)


def _margins(worsenings: Mapping[str, Worsening], params: PromoteParams) -> Iterator[Check]:
    for name, worse in worsenings.items():
        margin = float(getattr(params, f"max_{name}_growth"))
        outcome = _within(worse.low, worse.high, margin)
        interval = f" [{worse.low:+.3f}, {worse.high:+.3f}]" if worse.low < worse.high else ""
        numbers = f"{worse.champion:.3g} → {worse.challenger:.3g}, {worse.delta:+.3f}{interval}"
        yield Check(name, outcome, f"{_WORDS.get(name, name)} {numbers}; the margin is {margin:+.3f}")


def _within(low: float, high: float, margin: float) -> Outcome:
    """Non-inferiority: whether a worsening's interval lies within the margin, beyond it, or on both sides."""
    if high <= margin:
        return "pass"
    return "fail" if low > margin else "undecided"
