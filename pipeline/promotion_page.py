"""The report once more, with the champion beside: the stage can't know it, for it changes without any of its files."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.jsonfile import read_json
from pipeline.promotion_report import PAGE, VERDICT
from pipeline.publish import read_results
from pipeline.report.facts import CHAMPION, Facts, read_facts
from pipeline.report.page import render
from pipeline.tracking import registry
from pipeline.workers import num_workers
from seq2sum.config import EvaluateParams, Params
from seq2sum.errors import UserError
from seq2sum.evaluation.report import intervals, rounded
from seq2sum.evaluation.rouge import RougeScores
from seq2sum.evaluation.summary_statistics import summary_statistics
from seq2sum.files import write_text


def write_page(
    folder: Path, challenger: registry.Version, summaries: Sequence[str], scores: RougeScores, params: Params
) -> None:
    """Writes the page into the verdict's ``folder`` if the stages' files here are the challenger's, or says why not.

    ``summaries`` and ``scores`` are the champion's, of the test split at hand.
    """
    from pipeline.report.samples import chosen_samples

    try:
        if read_results().publish_key != challenger.tags.get(registry.PUBLISH_KEY_TAG):
            raise UserError(f"{paths.REPORTS}/ is of another model than version {challenger.number}.")
        facts = with_champion(read_facts(params.train), read_json(folder / VERDICT), summaries, scores, params.evaluate)
        write_text(folder / PAGE, render(facts, chosen_samples(facts, params.report.num_samples)))
    except UserError as error:
        print(f"no {folder / PAGE}: {error}", file=sys.stderr)


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
        numbers={**facts.numbers, "scores": {**told, **beside}, "gate": gate},
        outputs=replace(
            outputs,
            hypotheses={**outputs.hypotheses, CHAMPION: summaries},
            scores={**outputs.scores, CHAMPION: scores},
        ),
    )
