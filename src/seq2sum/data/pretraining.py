"""Exercises made of documents alone: a sentence, and the document that lost it."""

from collections import Counter
from collections.abc import Sequence

from seq2sum.data.overlap import sentences, words

# A shorter sentence is no exercise in writing.
LEAST_WORDS = 3


def gap_sentences(document: str, num_sentences: int) -> list[tuple[str, str]]:
    """Up to ``num_sentences`` pairs of the document without one of its sentences, and that sentence.

    As in PEGASUS (Zhang et al. 2020, section 3.1, "Ind-Orig") these are the sentences that share the most with the
    others by ROUGE-1 F1 of words, here one at a time and without a mark where it stood: each is, as it were, the
    summary of what is left. None from a document of a single sentence.
    """
    parts = sentences(document)
    counts = [Counter(words(part)) for part in parts]
    total = sum(counts, Counter())
    scores = {
        index: _f1(own, total - own) for index, own in enumerate(counts) if own.total() >= LEAST_WORDS and total != own
    }
    chosen = sorted(scores, key=lambda index: (-scores[index], index))[:num_sentences]
    return [(_without(parts, index), parts[index]) for index in sorted(chosen)]


def _without(parts: Sequence[str], index: int) -> str:
    return " ".join([*parts[:index], *parts[index + 1 :]])


def _f1(first: Counter[str], second: Counter[str]) -> float:
    return 2 * (first & second).total() / max(1, first.total() + second.total())
