"""Two models on the same documents: the gate's evidence, without its decision."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.named_model import NamedModel, named_model
from pipeline.workers import num_workers
from seq2sum.config import Params, PromoteParams
from seq2sum.data.pairs import Pair
from seq2sum.errors import UserError
from seq2sum.evaluation.rouge import RougeScores, require_comparable, score_pairs
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs, read_outputs
from seq2sum.evaluation.table import ROUGE_NAMES, aligned
from seq2sum.gate.evidence import Evidence, weigh
from seq2sum.gate.measures import measure

_LEAST_PAIRS = 2  # fewer have no spread to test against


@dataclass(frozen=True)
class HeadToHead:
    """Two models by name, and the evidence, in which the first is the challenger and the second the champion."""

    first: str
    second: str
    signature: str
    evidence: Evidence

    def as_json(self) -> dict[str, Any]:
        """With the keys of the evidence."""
        return {"challenger": self.first, "champion": self.second, "signature": self.signature, **asdict(self.evidence)}


def head_to_head(first: str, second: str, pairs: Sequence[Pair], params: Params) -> HeadToHead | None:
    """Summarizes ``pairs`` by both models, unless their summaries are on file, and weighs the scores.

    None, without a summary, where the two are one model, as a folder and the version that was registered of it are.
    Raises UserError if a model or file can't be read, or if the scores can't be compared.
    """
    if len(pairs) < _LEAST_PAIRS:
        raise UserError(f"a comparison needs {_LEAST_PAIRS} pairs or more, and a useful one hundreds.")
    documents, references = [pair.document for pair in pairs], [pair.summary for pair in pairs]
    with contextlib.ExitStack() as stack:
        # Both before the first summary, which may take long.
        one, other = (_found(name, pairs, stack) for name in (first, second))
        if isinstance(one, NamedModel) and isinstance(other, NamedModel) and one.fingerprint() == other.fingerprint():
            return None
        ours, our_scores = _judged(one, pairs, params)
        theirs, their_scores = _judged(other, pairs, params)
    require_comparable(our_scores, their_scores)
    challenger = measure(documents, references, ours, our_scores.values)
    champion = measure(documents, references, theirs, their_scores.values)
    return HeadToHead(first, second, our_scores.signature, weigh(challenger, champion, params.promote))


def _found(name: str, pairs: Sequence[Pair], stack: contextlib.ExitStack) -> NamedModel | SystemOutputs:
    """The model, or its summaries of the pairs that are on file."""
    if name.endswith(".parquet"):
        outputs = read_outputs(Path(name))
        if [*zip(outputs.ids, outputs.references, strict=True)] != [(pair.id, pair.summary) for pair in pairs]:
            raise UserError(f"{name}: is of other pairs than these. Write it anew: `seq2sum evaluate --output`.")
        return outputs
    model = stack.enter_context(named_model(name))
    model.require_whole()
    return model


def _judged(
    found: NamedModel | SystemOutputs, pairs: Sequence[Pair], params: Params
) -> tuple[Sequence[str], RougeScores]:
    """The summaries of the pairs and their scores."""
    if isinstance(found, SystemOutputs):
        return found.hypotheses[MODEL], found.scores[MODEL]
    hypotheses = found.summarize([pair.document for pair in pairs])
    return hypotheses, score_pairs(hypotheses, [pair.summary for pair in pairs], params.evaluate.rouge, num_workers())


def comparison_table(compared: HeadToHead, params: PromoteParams) -> str:
    """For a terminal."""
    evidence = compared.evidence
    gains = evidence.rouge
    rows = [
        ["", *(ROUGE_NAMES[kind] for kind in gains)],
        [compared.first, *(f"{gain.challenger:.2f}" for gain in gains.values())],
        [compared.second, *(f"{gain.champion:.2f}" for gain in gains.values())],
        ["difference", *(f"{gain.delta:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]" for gain in gains.values())],
        ["p", *(f"{gain.p:.3f}" if gain.p >= 0.001 else "< 0.001" for gain in gains.values())],
    ]
    others = [
        f"{name.replace('_', ' ')} {worse.champion:.3f} → {worse.challenger:.3f} [{worse.low:+.3f}, {worse.high:+.3f}]"
        for name, worse in evidence.worsenings.items()
    ]
    significant = [ROUGE_NAMES[kind] for kind, gain in gains.items() if gain.p < params.alpha]
    shown = f"significant at p < {params.alpha:g}: {', '.join(significant) or 'no difference'}"
    detectable = gains["rouge1"].detectable
    return "\n".join(
        [
            *aligned(rows),
            "",
            f"{shown}; {detectable:.2f} in ROUGE-1 would have shown with probability {params.power:.0%}",
            f"from the second to the first: {'; '.join(others)}; degenerate {evidence.degenerate:.1%} of the first's",
            f"{evidence.num_pairs:,} pairs · {compared.signature}",
        ]
    )
