"""What an evaluation says: the scores file, the flat metrics and the samples."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2sum.errors import UserError
from seq2sum.evaluation.comparison import compare_scores
from seq2sum.evaluation.rouge import ROUGE_TYPES, RougeScores
from seq2sum.evaluation.significance import bootstrap_interval
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs
from seq2sum.evaluation.verdict import verdict

LEAD_BASELINES = ("lead", "first_sentence")
_TRAIN_KEYS = ("wall_seconds", "tokens_per_second", "num_parameters", "num_train_pairs", "passes", "cut_share")
_DIGITS = 4  # further ones would be noise of summation order


def read_train_facts(path: Path) -> dict[str, float]:
    """The training's facts that stand beside the scores. Raises UserError if the file lacks one."""
    try:
        report = json.loads(path.read_bytes())
        return {key: report[key] for key in _TRAIN_KEYS}
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run the train stage.") from error
    except KeyError as error:
        raise UserError(f"{path}: no {error}. Run the train stage again.") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a training report: {error}. Run the train stage again.") from error


def build_report(
    outputs: SystemOutputs,
    statistics: Mapping[str, Mapping[str, float]],
    num_lead_words: int,
    train: Mapping[str, float],
    unread: float,
    num_samples: int,
    seed: int,
) -> dict[str, Any]:
    """The content of the scores file. ``unread``: see :func:`seq2sum.evaluation.rouge.unread_share`.

    ``systems``: ROUGE type to [mean, low, high], F1 × 100 with 95 % bootstrap intervals. ``paired``: the model against
    ``best_lead``, the better lead baseline by ROUGE-1; see :func:`seq2sum.evaluation.comparison.compare_scores`.
    ``verdict``: what that amounts to, in words.
    """
    scores = outputs.scores
    best_lead = max(LEAD_BASELINES, key=lambda name: scores[name].means()["rouge1"])
    report: dict[str, Any] = {
        "signature": scores[MODEL].signature,
        "num_pairs": len(outputs.ids),
        "systems": {name: intervals(of_system, num_samples, seed) for name, of_system in scores.items()},
        "paired": compare_scores(scores[MODEL], scores[best_lead], num_samples, seed),
        "best_lead": best_lead,
        "num_lead_words": num_lead_words,
        "bootstrap_samples": num_samples,
        "statistics": statistics,
        "unread_share": unread,
    }
    told: dict[str, Any] = rounded(report)
    told["train"] = dict(train)
    return {**told, "verdict": verdict(told)}


def flat_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """The few numbers of a report that are worth comparing between experiments."""
    scores = {kind: report["systems"][MODEL][kind][0] for kind in ROUGE_TYPES}
    gains = {f"{kind}_over_lead": report["paired"][kind]["delta"] for kind in ROUGE_TYPES}
    return {**scores, **gains, **report["statistics"][MODEL], **report["train"]}


def sample_rows(
    documents: Sequence[str], outputs: SystemOutputs, num_samples: int, seed: int
) -> list[dict[str, object]]:
    """``num_samples`` pairs drawn by ``seed`` (all, if there are fewer), in test order, with the model's summaries."""
    num_pairs = len(outputs.ids)
    drawn = np.random.default_rng(seed).choice(num_pairs, size=min(num_samples, num_pairs), replace=False)
    return [
        {
            "id": outputs.ids[index],
            "document": documents[index],
            "reference": outputs.references[index],
            "hypothesis": outputs.hypotheses[MODEL][index],
            "scores": rounded({kind: outputs.scores[MODEL].values[kind][index] for kind in ROUGE_TYPES}),
        }
        for index in sorted(drawn.tolist())
    ]


def intervals(scores: RougeScores, num_samples: int, seed: int) -> dict[str, list[float]]:
    """Of each ROUGE type the mean and its 95 % bootstrap interval, F1 × 100: [mean, low, high]."""
    interval = bootstrap_interval(scores.table(), num_samples, seed)
    return {kind: [float(part[column]) for part in interval] for column, kind in enumerate(ROUGE_TYPES)}


def rounded(value: Any) -> Any:
    """``value`` with all numbers in it rounded: further digits would be noise of summation order."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(float(value), _DIGITS) if isinstance(value, float) else value
