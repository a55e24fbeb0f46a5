"""What the gate looks at in a system's summaries, pair by pair."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from seq2sum.data.overlap import coverage_and_density, repetition, words
from seq2sum.data.support import unsupported_share

FloatArray = NDArray[np.float64]

# The ROUGE types that a challenger must raise; ROUGE-L differs from Lsum only where summaries have several sentences.
GATE_ROUGE = ("rouge1", "rouge2", "rougeLsum")


@dataclass(frozen=True)
class Measures:
    """A system's summaries of the test pairs, in numbers: arrays of shape ``(num_pairs,)``, ``rouge`` has 3 columns.

    ``rouge``: F1 × 100 of ``GATE_ROUGE``. ``repetition``: see :func:`repetition_of`. ``unsupported``: see
    :func:`seq2sum.data.support.unsupported_share`. ``copied``: words in runs that the summary shares with its document
    over the document's words. ``num_words``: words of the summary; ``reference_words``: of its reference.
    """

    rouge: FloatArray
    repetition: FloatArray
    unsupported: FloatArray
    copied: FloatArray
    num_words: FloatArray
    reference_words: FloatArray

    def rows(self, indices: NDArray[np.int64]) -> "Measures":
        """The measures of some pairs; ``indices`` may be of any shape, which then stands for ``(num_pairs,)``."""
        return Measures(**{field.name: getattr(self, field.name)[indices] for field in fields(self)})


def measure(
    documents: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
    scores: Mapping[str, FloatArray],
) -> Measures:
    """Measures a system's ``hypotheses``. ``scores``: ROUGE type to F1 × 100 of each pair."""
    document_words = [words(document) for document in documents]
    hypothesis_words = [words(hypothesis) for hypothesis in hypotheses]
    pairs = list(zip(document_words, hypothesis_words, strict=True))
    return Measures(
        rouge=np.stack([scores[kind] for kind in GATE_ROUGE], axis=1),
        repetition=np.array([repetition_of(of_summary) for of_summary in hypothesis_words]),
        unsupported=np.array([unsupported_share(*texts) for texts in zip(documents, hypotheses, strict=True)]),
        copied=np.array([copied_share(*both) for both in pairs]),
        num_words=np.array([float(len(of_summary)) for of_summary in hypothesis_words]),
        reference_words=np.array([float(len(words(reference))) for reference in references]),
    )


def repetition_of(summary_words: Sequence[str]) -> float:
    """How much a summary repeats itself, 0 to 1.

    The larger of the share of its bigrams that it had before and the share of its words that equal the one before.
    """
    doubled = sum(first == second for first, second in itertools.pairwise(summary_words))
    return max(repetition(summary_words, 2), doubled / max(1, len(summary_words) - 1))


def copied_share(document_words: Sequence[str], summary_words: Sequence[str]) -> float:
    """How much of its document a summary repeats: words in runs that both share, over the document's words."""
    coverage, _ = coverage_and_density(document_words, summary_words)
    return coverage * len(summary_words) / max(1, len(document_words))
