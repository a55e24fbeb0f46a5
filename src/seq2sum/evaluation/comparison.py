"""Whether one system scores better than another on the same pairs, or on the face of it only."""

from seq2sum.errors import UserError
from seq2sum.evaluation.rouge import ROUGE_TYPES, RougeScores, require_comparable
from seq2sum.evaluation.significance import approximate_randomization, paired_bootstrap
from seq2sum.evaluation.system_outputs import SystemOutputs


def compare_scores(
    scores: RougeScores, baseline: RougeScores, num_samples: int, seed: int
) -> dict[str, dict[str, float]]:
    """For each ROUGE type ``delta`` (the system's mean less the baseline's) and two-sided p-values.

    ``p`` is the paired bootstrap's, ``p_randomization`` that of approximate randomization.
    Raises UserError if the scores' signatures differ.
    """
    require_comparable(scores, baseline)
    bootstrap = paired_bootstrap(scores.table(), baseline.table(), num_samples, seed)
    randomization = approximate_randomization(scores.table(), baseline.table(), num_samples, seed)
    columns = zip(ROUGE_TYPES, bootstrap.delta, bootstrap.p, randomization.p, strict=True)
    return {
        kind: {"delta": float(delta), "p": float(p), "p_randomization": float(p_randomization)}
        for kind, delta, p, p_randomization in columns
    }


def compare_outputs(
    outputs: SystemOutputs, baseline: SystemOutputs, system: str, num_samples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Like :func:`compare_scores`, for the ``system`` of two evaluations.

    Raises UserError if they judged other pairs or with another metric, or if one has no such system.
    """
    if list(outputs.ids) != list(baseline.ids) or list(outputs.references) != list(baseline.references):
        raise UserError("evaluations of different test sets can't be compared; evaluate both models on the same one.")
    for evaluation in (outputs, baseline):
        if system not in evaluation.scores:
            raise UserError(f"no system {system!r} in an evaluation of {', '.join(evaluation.scores)}.")
    return compare_scores(outputs.scores[system], baseline.scores[system], num_samples, seed)
