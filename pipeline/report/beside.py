"""The champion in a report: what the stage can't know, since the champion changes without any of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.report.facts import CHAMPION, Facts
from pipeline.workers import num_workers
from seq2sum.config import EvaluateParams
from seq2sum.evaluation.report import intervals, rounded
from seq2sum.evaluation.rouge import RougeScores
from seq2sum.evaluation.summary_statistics import summary_statistics


def with_champion(
    facts: Facts, gate: Mapping[str, Any], summaries: Sequence[str], scores: RougeScores, params: EvaluateParams
) -> Facts:
    """``facts`` with the champion as one more system. ``summaries`` and ``scores``: its own of the same test pairs.

    ``gate`` is the content of the gate's verdict file. Intervals and statistics are made as the evaluate stage does.
    """
    outputs, told = facts.outputs, facts.numbers["scores"]
    of_champion = {CHAMPION: intervals(scores, params.bootstrap_samples, params.seed)}
    like = summary_statistics({CHAMPION: summaries}, facts.documents, outputs.references, num_workers())
    beside = {
        "systems": {**told["systems"], **rounded(of_champion)},
        "statistics": {**told["statistics"], **rounded(like)},
    }
    return replace(
        facts,
        numbers={**facts.numbers, "scores": {**told, **beside}, "gate": rounded(gate)},
        outputs=replace(
            outputs,
            hypotheses={**outputs.hypotheses, CHAMPION: summaries},
            scores={**outputs.scores, CHAMPION: scores},
        ),
    )
