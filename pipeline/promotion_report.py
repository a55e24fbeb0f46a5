"""The gate's verdict as files: JSON for machines, Markdown for people, and the plot of the score differences."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2sum.evaluation.figures import save_png, score_differences_figure
from seq2sum.evaluation.table import ROUGE_NAMES
from seq2sum.files import replaced_folder, write_json, write_text
from seq2sum.gate.evidence import Evidence, Worsening
from seq2sum.gate.verdict import Verdict

VERDICT = "verdict.json"
# The stages' report once more, with the champion beside.
PAGE = "report.html"
_MARKS = {"pass": "✓", "fail": "✗", "undecided": "?"}


def write_promotion(
    folder: Path,
    facts: Mapping[str, Any],
    evidence: Evidence,
    costs: Mapping[str, Worsening],
    verdict: Verdict,
    differences: NDArray[np.float64],
) -> None:
    """Writes ``verdict.json``, ``verdict.md`` and ``differences.png``, all or none.

    ``facts`` holds at least challenger, champion, model, metric_signature and differs (:func:`differing`);
    ``differences`` the challenger's ROUGE-1 less the champion's, shape (pairs,).
    """
    content = {
        **facts,
        "decision": verdict.decision,
        "reasons": verdict.reasons,
        "checks": [asdict(check) for check in verdict.checks],
        "evidence": asdict(evidence),
        "costs": {name: asdict(worse) for name, worse in costs.items()},
    }
    gains = {ROUGE_NAMES[kind]: (gain.delta, gain.low, gain.high) for kind, gain in evidence.rouge.items()}
    with replaced_folder(folder) as beside:
        write_json(beside / VERDICT, content)
        write_text(beside / "verdict.md", _markdown(facts, evidence, verdict))
        save_png(score_differences_figure(differences, gains), beside / "differences.png")


def differing(champion: Mapping[str, str], challenger: Mapping[str, str]) -> list[dict[str, str | None]]:
    """What two versions were not made from alike, a row each; None for what one of them does not have."""
    return [
        {"what": key, "champion": champion.get(key), "challenger": challenger.get(key)}
        for key in dict.fromkeys([*champion, *challenger])
        if champion.get(key) != challenger.get(key)
    ]


def _markdown(facts: Mapping[str, Any], evidence: Evidence, verdict: Verdict) -> str:
    rows = [
        f"| {ROUGE_NAMES[kind]} | {gain.champion:.2f} | {gain.challenger:.2f} | {gain.delta:+.2f} "
        f"[{gain.low:+.2f}, {gain.high:+.2f}] | {gain.p_bootstrap:.4f} | {gain.p_randomization:.4f} | {gain.p:.4f} "
        f"| {gain.detectable:.2f} |"
        for kind, gain in evidence.rouge.items()
    ]
    checks = [f"- {_MARKS[check.outcome]} **{check.name}**: {check.reason}" for check in verdict.checks]
    return "\n".join(
        [
            f"# {facts['model']} {facts['challenger']} against the champion {facts['champion']}: {verdict.decision}",
            "",
            "| | champion | challenger | gain [95 %] | p bootstrap | p randomization | p (Holm) | detectable |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            *checks,
            "",
            *_differences(facts["differs"]),
            "",
            f"{evidence.num_pairs:,} test pairs · {facts['metric_signature']}",
            "",
            "![differences](differences.png)",
            "",
        ]
    )


def _differences(rows: Sequence[Mapping[str, str | None]]) -> list[str]:
    if not rows:
        return ["Params and data of the two are the same."]
    cells = ([one["what"], one["champion"] or "–", one["challenger"] or "–"] for one in rows)
    # A pipe would end the cell.
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells]
    return ["| params and data | champion | challenger |", "| --- | --- | --- |", *lines]
