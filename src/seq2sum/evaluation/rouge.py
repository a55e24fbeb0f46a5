"""ROUGE (Lin 2004) by the reference library, rouge-score, with a signature that says what a score means."""

import functools
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2sum.config import RougeParams
from seq2sum.data.overlap import sentences, words
from seq2sum.errors import UserError
from seq2sum.evaluation.workers import map_chunks

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_REMEMBERED_CHUNKS = 2**16

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RougeScores:
    """A system's scores: for each ROUGE type the F1 × 100 of each pair, shape ``(num_pairs,)``, and their signature."""

    signature: str
    values: Mapping[str, FloatArray]

    def table(self) -> FloatArray:
        """All scores as ``(num_pairs, 4)``, columns as in ``ROUGE_TYPES``."""
        return np.stack([self.values[kind] for kind in ROUGE_TYPES], axis=1)

    def means(self) -> dict[str, float]:
        """The mean of each ROUGE type."""
        return {kind: float(self.values[kind].mean()) for kind in ROUGE_TYPES}


def metric_signature(params: RougeParams) -> str:
    """Names all that the scores depend on besides the texts: scores compare only under equal signatures."""
    version = importlib.metadata.version("rouge-score")
    stemmer = "porter" if params.stemmer else "none"
    return f"rouge-score:{version}|stemmer:{stemmer}|tokenizer:{params.tokenizer}|lsum:newline-sentences|f1x100"


def require_comparable(first: RougeScores, second: RougeScores) -> None:
    """Raises UserError unless both are scores of one metric on equally many pairs."""
    if first.signature != second.signature:
        raise UserError(
            "scores of different metrics can't be compared; score both systems with the same evaluate.rouge:\n"
            f"  {first.signature}\n  {second.signature}"
        )
    sizes = [len(scores.values[ROUGE_TYPES[0]]) for scores in (first, second)]
    if sizes[0] != sizes[1]:
        raise UserError(f"scores of {sizes[0]} and {sizes[1]} pairs can't be compared; score the same test pairs.")


class RougeTokenizer:
    """rouge-score's tokenizer, or one for all scripts, for its ``tokenizer`` argument.

    ``rouge`` keeps [a-z0-9] alone. ``unicode`` keeps the words of :func:`seq2sum.data.overlap.words`, and equals
    ``rouge`` on ASCII text; the stemmer is for English, so other words stay as they are. The tokens of a chunk between
    white space don't depend on its neighbours, so they are remembered: stemming takes most of the time.
    """

    def __init__(self, params: RougeParams) -> None:
        from rouge_score.tokenizers import DefaultTokenizer

        self._reference = DefaultTokenizer(use_stemmer=params.stemmer).tokenize
        of_chunk = self._reference if params.tokenizer == "rouge" else self._unicode
        self._tokens_of = functools.lru_cache(maxsize=_REMEMBERED_CHUNKS)(of_chunk)

    def tokenize(self, text: str) -> list[str]:
        """The lower-cased and, if asked for, stemmed words of ``text``."""
        return [token for chunk in text.split() for token in self._tokens_of(chunk)]

    def _unicode(self, chunk: str) -> list[str]:
        return [token for word in words(chunk) for token in (self._reference(word) if word.isascii() else [word])]


@functools.cache
def rouge_tokenizer(params: RougeParams) -> RougeTokenizer:
    """The process's tokenizer for ``params``, with what it remembers."""
    return RougeTokenizer(params)


def unread_share(texts: Sequence[str], params: RougeParams) -> float:
    """Share of the words of ``texts`` in which ROUGE, as ``params`` set it, sees nothing: those of another script."""
    tokenizer = rouge_tokenizer(params)
    found = [word for text in texts for word in words(text)]
    return sum(not tokenizer.tokenize(word) for word in found) / max(1, len(found))


def score_pairs(
    hypotheses: Sequence[str], references: Sequence[str], params: RougeParams, num_workers: int
) -> RougeScores:
    """Scores each hypothesis against its reference. For ROUGE-Lsum a text's sentences are the units."""
    items = list(zip(hypotheses, references, strict=True))
    rows = map_chunks(functools.partial(_score_chunk, params=params), items, num_workers, "score")
    table = np.array(rows, dtype=np.float64).reshape(len(items), len(ROUGE_TYPES))
    return RougeScores(metric_signature(params), dict(zip(ROUGE_TYPES, table.T, strict=True)))


def score_systems(
    systems: Mapping[str, Sequence[str]], references: Sequence[str], params: RougeParams, num_workers: int
) -> dict[str, RougeScores]:
    """Scores the hypotheses of several systems against the same references, in one go."""
    together = [hypothesis for hypotheses in systems.values() for hypothesis in hypotheses]
    scores = score_pairs(together, [*references] * len(systems), params, num_workers)
    parts = {kind: np.split(values, len(systems)) for kind, values in scores.values.items()}
    return {
        name: RougeScores(scores.signature, {kind: parts[kind][index] for kind in ROUGE_TYPES})
        for index, name in enumerate(systems)
    }


def _score_chunk(pairs: Sequence[tuple[str, str]], params: RougeParams) -> list[list[float]]:
    scorer = _scorer(params)
    rows = []
    for hypothesis, reference in pairs:
        scores = scorer.score("\n".join(sentences(reference)), "\n".join(sentences(hypothesis)))
        rows.append([100 * scores[kind].fmeasure for kind in ROUGE_TYPES])
    return rows


@functools.cache
def _scorer(params: RougeParams) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(ROUGE_TYPES, tokenizer=rouge_tokenizer(params))
