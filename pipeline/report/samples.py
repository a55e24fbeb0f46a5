"""The pairs that a report shows: the best, the middle and the worst, with where each word comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline import paths
from pipeline.hardware import use_hardware
from pipeline.report.facts import CHAMPION, Facts
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

    ``rank`` is its place by the model's ROUGE-1, from 1. ``document`` holds (text, weight 0 to 1) parts as far as the
    model reads, ``unread`` is the rest. ``champion`` is the champion's summary, where the report has one.
    """

    id: str
    rank: int
    scores: Mapping[str, float]
    reference: str
    words: tuple[ShownWord, ...]
    document: tuple[tuple[str, float], ...]
    unread: str
    champion: str | None

    @property
    def num_copied(self) -> int:
        """How many of the words are copied."""
        return sum(shown.word.is_copied for shown in self.words)


def chosen_samples(facts: Facts, num_samples: int) -> dict[str, list[Sample]]:
    """``num_samples`` pairs (fewer, if there are fewer) at each end of the model's ROUGE-1 and around its median."""
    summarizer = Summarizer.load(paths.MODEL, str(use_hardware()))
    order = ranked(facts.outputs)
    middle = max(0, (len(order) - num_samples) // 2)
    places = {
        "best": range(len(order))[:num_samples],
        "median": range(len(order))[middle : middle + num_samples],
        "worst": range(len(order))[-num_samples:],
    }
    return {
        name: [
            explain_sample(summarizer, facts.documents[order[place]], facts.outputs, order[place], place + 1)
            for place in of_name
        ]
        for name, of_name in places.items()
    }


def ranked(outputs: SystemOutputs) -> list[int]:
    """The pairs' places by the model's ROUGE-1, the best first."""
    scores = outputs.scores[MODEL].values
    # Ties, as of many zeros, are broken by ROUGE-L and then by id, so that the choice is always the same.
    order: list[int] = np.lexsort((np.array(outputs.ids), -scores["rougeL"], -scores["rouge1"])).tolist()
    return order


def explain_sample(summarizer: Summarizer, document: str, outputs: SystemOutputs, index: int, rank: int) -> Sample:
    """The pair ``index`` of the test split, whose document is ``document``."""
    explanation = explain(summarizer, document, outputs.hypotheses[MODEL][index])
    read_to = explanation.source_spans[-1][1]
    return Sample(
        id=outputs.ids[index],
        rank=rank,
        scores={kind: float(outputs.scores[MODEL].values[kind][index]) for kind in ROUGE_TYPES},
        reference=outputs.references[index],
        words=tuple(ShownWord(word, _source_words(document, explanation, word)) for word in explanation.words),
        document=_weighted(document[:read_to], explanation),
        unread=document[read_to:],
        champion=outputs.hypotheses[CHAMPION][index] if CHAMPION in outputs.hypotheses else None,
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
