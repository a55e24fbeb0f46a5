"""The pairs that a report shows: the best, the middle and the worst, with where each word comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seq2sum.evaluation.rouge import ROUGE_TYPES
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs
from seq2sum.explain import Explanation, Word, explain, segments
from seq2sum.summarize import Summarizer

# A place counts as a source if at least this share of a word was copied from it.
_LEAST_WEIGHT = 0.1


@dataclass(frozen=True)
class ShownWord:
    """A word of a summary and the words of the document that it was copied from, the likeliest first."""

    word: Word
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A test pair: its scores, F1 × 100, its summary's words, and the document with how much was copied from where.

    ``document`` holds (text, weight 0 to 1) parts as far as the model reads, ``unread`` is the rest.
    """

    id: str
    scores: Mapping[str, float]
    reference: str
    words: tuple[ShownWord, ...]
    document: tuple[tuple[str, float], ...]
    unread: str

    @property
    def num_copied(self) -> int:
        """How many of the words are copied."""
        return sum(shown.word.is_copied for shown in self.words)


def ranked(outputs: SystemOutputs, num_samples: int) -> dict[str, list[int]]:
    """``num_samples`` pairs (fewer, if there are fewer) at each end of the model's ROUGE-1 and around its median."""
    scores = outputs.scores[MODEL].values
    # Ties, as of many zeros, are broken by ROUGE-L and then by id, so that the choice is always the same.
    order = np.lexsort((np.array(outputs.ids), -scores["rougeL"], -scores["rouge1"])).tolist()
    middle = max(0, (len(order) - num_samples) // 2)
    return {
        "best": order[:num_samples],
        "median": order[middle : middle + num_samples],
        "worst": order[-num_samples:],
    }


def explain_sample(summarizer: Summarizer, document: str, outputs: SystemOutputs, index: int) -> Sample:
    """The pair ``index`` of the test split, whose document is ``document``."""
    explanation = explain(summarizer, document, outputs.hypotheses[MODEL][index])
    read_to = explanation.source_spans[-1][1]
    return Sample(
        id=outputs.ids[index],
        scores={kind: float(outputs.scores[MODEL].values[kind][index]) for kind in ROUGE_TYPES},
        reference=outputs.references[index],
        words=tuple(ShownWord(word, _source_words(document, explanation, word)) for word in explanation.words),
        document=_weighted(document[:read_to], explanation),
        unread=document[read_to:],
    )


def _weighted(document: str, explanation: Explanation) -> tuple[tuple[str, float], ...]:
    weights: dict[int, float] = {}
    for word in explanation.words:
        for position, weight in word.sources:
            if weight >= _LEAST_WEIGHT:
                weights[position] = max(weights.get(position, 0.0), weight)
    return tuple(
        (part.text, max((weights.get(position, 0.0) for position in range(part.first, part.last)), default=0.0))
        for part in segments(document, explanation.source_spans)
    )


def _source_words(document: str, explanation: Explanation, word: Word) -> tuple[str, ...]:
    """The document's words that hold the sources, each once."""
    found = [
        _around(document, *explanation.source_spans[position])
        for position, weight in word.sources
        if weight >= _LEAST_WEIGHT
    ]
    return tuple(dict.fromkeys(found))


def _around(document: str, start: int, end: int) -> str:
    """The word of ``document``, as white space separates them, that the characters [start, end) lie in."""
    before: Sequence[str] = document[:start].rsplit(maxsplit=1)
    begin = "" if not before or document[start - 1 : start].isspace() else before[-1]
    after = document[end:].split(maxsplit=1)
    rest = "" if not after or document[end : end + 1].isspace() else after[0]
    return begin + document[start:end] + rest
