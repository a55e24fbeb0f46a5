"""Whether documents and their summaries are still like those that a model was judged by.

Two-sample Kolmogorov-Smirnov tests of scipy on a few numbers a pair: distances with a meaning (the largest difference
of the two distribution functions, 0 to 1) from a package that is there anyway, where the drift libraries bring some
fifty others for the same tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from seq2sum.data.overlap import coverage_and_density, repetition, words
from seq2sum.data.tokenizer import Tokenizer

# A lossless vocabulary knows no unknown words: those that it never saw fall into many pieces.
MEASURES = ("document_words", "pieces_per_word", "summary_words", "copy_rate", "repeated_bigrams")


@dataclass(frozen=True)
class Shift:
    """How far one measure has moved. ``distance``: Kolmogorov-Smirnov's; ``p``: after Holm's correction for all."""

    measure: str
    before: float
    now: float
    distance: float
    p: float
    drifted: bool


def measure_pairs(
    documents: Sequence[str], summaries: Sequence[str], tokenizer: Tokenizer
) -> dict[str, NDArray[np.float64]]:
    """Each of MEASURES of each pair, [num_pairs]."""
    rows = []
    for document, summary, pieces in zip(documents, summaries, tokenizer.encode_batch(documents), strict=True):
        document_words, summary_words = words(document), words(summary)
        copy_rate, _ = coverage_and_density(document_words, summary_words)
        fertility = len(pieces) / max(1, len(document_words))
        numbers = (len(document_words), fertility, len(summary_words), copy_rate, repetition(summary_words, 2))
        rows.append(numbers)
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(MEASURES)).T
    return dict(zip(MEASURES, columns, strict=True))


def shifts(
    reference: Mapping[str, NDArray[np.float64]],
    recent: Mapping[str, NDArray[np.float64]],
    alpha: float,
    distance: float,
) -> list[Shift]:
    """A measure has drifted if its distance is at least ``distance`` and significant at ``alpha`` (Holm 1979).

    The distance is asked for because with many rows any difference is significant, the significance because with few
    rows any distance comes by chance.
    """
    tests = {name: ks_2samp(reference[name], recent[name]) for name in MEASURES}
    order = sorted(MEASURES, key=lambda name: tests[name].pvalue)
    corrected, largest = {}, 0.0
    for rank, name in enumerate(order):
        largest = max(largest, min(1.0, float(tests[name].pvalue) * (len(order) - rank)))
        corrected[name] = largest
    return [
        Shift(
            name,
            float(np.mean(reference[name])),
            float(np.mean(recent[name])),
            float(tests[name].statistic),
            corrected[name],
            bool(tests[name].statistic >= distance and corrected[name] <= alpha),
        )
        for name in MEASURES
    ]
