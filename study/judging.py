"""A judged claim, and the rules that turn numbers into verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seq2sum.evaluation.significance import paired_bootstrap
from study.results import Measured, scores
from study.settings import ClaimParams

Verdict = Literal["holds", "does not hold", "not settled"]


@dataclass(frozen=True)
class Judged:
    """A claim of the text, what was measured for it, the rule and what that says."""

    claim: str
    measured: str
    rule: str
    verdict: Verdict


def by_seeds(signs: Sequence[bool]) -> Verdict:
    """What holds with every seed holds, what holds with none does not, and between them nothing is settled."""
    if all(signs):
        return "holds"
    return "not settled" if any(signs) else "does not hold"


def by_ratio(ratio: float, least: float) -> Verdict:
    """Higher by at least that factor, lower by at least that factor, or about equal."""
    if ratio >= least:
        return "holds"
    return "does not hold" if ratio <= 1 / least else "not settled"


def compare(run: Measured, other: Measured, params: ClaimParams) -> tuple[Verdict, str]:
    """Whether ``run`` has a higher ROUGE-1 than ``other``, and by how much."""
    pair = (scores(run)[:, None], scores(other)[:, None])
    comparison = paired_bootstrap(*pair, params.bootstrap_samples, params.seed)
    delta, p = float(comparison.delta[0]), float(comparison.p[0])
    verdict: Verdict = "not settled"
    if p < params.significance:
        verdict = "holds" if delta > 0 else "does not hold"
    return verdict, f"ROUGE-1 {delta:+.2f} (p = {p:.3f})"


def significance_rule(what: str, params: ClaimParams) -> str:
    """The rule of :func:`compare`."""
    return f"Holds if ROUGE-1 is {what} at p < {params.significance} (paired bootstrap), not settled at any other p."


def each(values: Sequence[float]) -> str:
    """The values of all seeds."""
    return ", ".join(f"{value:.3g}" for value in values)
