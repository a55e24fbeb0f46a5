"""The scores as a table: plain for a terminal, or in Markdown for files."""

from collections.abc import Mapping
from typing import Any

ROUGE_NAMES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "rougeLsum": "ROUGE-Lsum"}
_NAMES = {
    "model": "model",
    "lead": "first {num_lead_words} words",
    "first_sentence": "first sentence",
    "random": "random sentence",
    "oracle": "sentence oracle",
}


def system_names(scores: Mapping[str, Any]) -> dict[str, str]:
    """What each system of a scores file is called, in the order of the table."""
    return {system: name.format_map(scores) for system, name in _NAMES.items() if system in scores["systems"]}


def scores_table(scores: Mapping[str, Any], *, markdown: bool = False) -> str:
    """F1 × 100 [95 % interval] of each system in a scores file, and how sure the gain over the best lead is."""
    rows = [["", *ROUGE_NAMES.values()]]
    names = system_names(scores)
    for system, name in names.items():
        rows.append([name, *(_interval(*scores["systems"][system][kind]) for kind in ROUGE_NAMES)])
    gains = (_gain(scores["paired"][kind]) for kind in ROUGE_NAMES)
    rows.append([f"model − {names[scores['best_lead']]}", *gains])
    return "\n".join(
        [*aligned(rows, markdown=markdown), "", f"{scores['num_pairs']:,} test pairs · {scores['signature']}"]
    )


def _interval(mean: float, low: float, high: float) -> str:
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _gain(comparison: Mapping[str, float]) -> str:
    p = comparison["p"]
    return f"{comparison['delta']:+.2f} ({f'p = {p:.3f}' if p >= 0.001 else 'p < 0.001'})"


def aligned(rows: list[list[str]], *, markdown: bool = False) -> list[str]:
    """The table's lines: the first row is the header, the first column stands left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if not markdown:
        return ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return ["| " + " | ".join(_padded(row, widths)) + " |" for row in (rows[0], rule, *rows[1:])]


def _padded(row: list[str], widths: list[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
