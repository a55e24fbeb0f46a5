"""What a system's summaries are like, beside how well they score."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seq2sum.data.overlap import coverage_and_density, novel_ngram_share, repetition, words
from seq2sum.data.support import unsupported_share
from seq2sum.evaluation.workers import map_chunks

FloatArray = NDArray[np.float64]

_ORDERS = (1, 2, 3)
# What is measured per pair, and how many words a summary needs for it to mean anything.
_LEAST_WORDS = {
    "copy_rate": 1,
    "copy_density": 1,
    **{f"novel_{n}_grams": n for n in _ORDERS},
    **{f"repeated_{n}_grams": n for n in _ORDERS},
    "unsupported": 1,
}


def summary_statistics(
    systems: Mapping[str, Sequence[str]], documents: Sequence[str], references: Sequence[str], num_workers: int
) -> dict[str, dict[str, float]]:
    """For each system, over all pairs (words as in :func:`seq2sum.data.overlap.words`):

    - ``mean_words``: words per summary; ``length_ratio``: its words in all over the references' words in all
    - ``empty_share``: share of summaries without a word
    - ``copy_rate``: mean share of a summary's words that stand in its document; ``copy_density``: mean length of the
      copied runs they lie in (coverage and density of Grusky et al. 2018)
    - ``novel_{1,2,3}_grams``: mean share of a summary's n-grams that the document does not hold
    - ``repeated_{1,2,3}_grams``: mean share of a summary's n-grams that stand earlier in the same summary
    - ``unsupported``: mean share of a summary's numbers and names that the document does not hold, see
      :func:`seq2sum.data.support.unsupported_share`

    Means leave out summaries that are too short to have an n-gram, which would pass for neither novel nor repeated.
    """
    items = [
        (document, hypothesis)
        for hypotheses in systems.values()
        for document, hypothesis in zip(documents, hypotheses, strict=True)
    ]
    rows = np.array(map_chunks(_measure_chunk, items, num_workers, "measure"), dtype=np.float64)
    num_reference_words = sum(len(words(reference)) for reference in references)
    parts = np.split(rows.reshape(len(items), 1 + len(_LEAST_WORDS)), len(systems))
    return {name: _summarize(part, num_reference_words) for name, part in zip(systems, parts, strict=True)}


def _summarize(rows: FloatArray, num_reference_words: int) -> dict[str, float]:
    num_words = rows[:, 0]
    return {
        "mean_words": float(num_words.mean()),
        "length_ratio": float(num_words.sum() / max(1, num_reference_words)),
        "empty_share": float((num_words == 0).mean()),
        **{
            name: float(rows[num_words >= least, column].mean()) if (num_words >= least).any() else 0.0
            for column, (name, least) in enumerate(_LEAST_WORDS.items(), start=1)
        },
    }


def _measure_chunk(pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
    return [_measure(document, hypothesis) for document, hypothesis in pairs]


def _measure(document: str, hypothesis: str) -> list[float]:
    document_words, hypothesis_words = words(document), words(hypothesis)
    return [
        len(hypothesis_words),
        *coverage_and_density(document_words, hypothesis_words),
        *(novel_ngram_share(document_words, hypothesis_words, n) for n in _ORDERS),
        *(repetition(hypothesis_words, n) for n in _ORDERS),
        unsupported_share(document, hypothesis),
    ]
