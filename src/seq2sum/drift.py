"""Whether documents and their summaries are still like those that a model was judged by.

Two-sample tests by scipy, a package that is there anyway, where the drift libraries bring some fifty others: that of
Kolmogorov and Smirnov on a few numbers a pair, and permutation tests on the documents' pieces and on their embeddings.
Each has a distance from 0 to 1, and all three distances are about 0.2 where a normal distribution has moved by half a
standard deviation (in every dimension).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import ks_2samp

from seq2sum.data.overlap import coverage_and_density, repetition, words
from seq2sum.data.tokenizer import Tokenizer

# A lossless vocabulary knows no unknown words: those that it never saw fall into many pieces.
MEASURES = ("document_words", "pieces_per_word", "summary_words", "copy_rate", "repeated_bigrams")
VOCABULARY, EMBEDDING = "vocabulary", "embedding"
# The least p-value, 1 / (permutations + 1), must survive Holm's correction at a level of 1 %.
NUM_PERMUTATIONS = 1999
# Documents of each side that the permutation tests look at; their cost grows with the square.
MOST_DOCUMENTS = 500
_AT_ONCE = 250


class Contents(NamedTuple):
    """Of some documents: the ``pieces`` of each, and ``embeddings`` [num_documents, F]."""

    pieces: Sequence[NDArray[np.int64]]
    embeddings: NDArray[np.float64]

    def sample(self, rng: np.random.Generator) -> "Contents":
        """MOST_DOCUMENTS of them at most."""
        chosen = rng.permutation(len(self.pieces))[:MOST_DOCUMENTS]
        return Contents([self.pieces[index] for index in chosen], self.embeddings[chosen])


NO_CONTENTS = Contents([], np.zeros((0, 0)))


class Profile(NamedTuple):
    """``measures``: those of MEASURES of each pair; ``contents``: of some of the documents, or of none."""

    measures: Mapping[str, NDArray[np.float64]]
    contents: Contents


@dataclass(frozen=True)
class Shift:
    """How far one measure has moved. ``before`` and ``now``: means of a number; ``p``: after Holm's correction for all.

    ``distance``: Kolmogorov-Smirnov's, or see :func:`vocabulary_shift` and :func:`embedding_shift`.
    """

    measure: str
    before: float | None
    now: float | None
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


def shifts(reference: Profile, recent: Profile, alpha: float, distance: float, seed: int) -> list[Shift]:
    """A measure has drifted if its distance is at least ``distance`` and significant at ``alpha`` (Holm 1979).

    The distance is asked for because with many rows any difference is significant, the significance because with few
    rows any distance comes by chance. Contents are compared where both sides have some.
    """
    rng = np.random.default_rng(seed)
    tests = {}
    for name in MEASURES:
        test = ks_2samp(reference.measures[name], recent.measures[name])
        tests[name] = (float(test.statistic), float(test.pvalue))
    before, now = reference.contents.sample(rng), recent.contents.sample(rng)
    if min(len(before.pieces), len(now.pieces)) > 1:
        tests[VOCABULARY] = vocabulary_shift(before.pieces, now.pieces, rng)
        tests[EMBEDDING] = embedding_shift(before.embeddings, now.embeddings, rng)
    order = sorted(tests, key=lambda name: tests[name][1])
    corrected, largest = {}, 0.0
    for rank, name in enumerate(order):
        largest = max(largest, min(1.0, tests[name][1] * (len(order) - rank)))
        corrected[name] = largest
    return [
        Shift(
            name,
            float(np.mean(reference.measures[name])) if name in MEASURES else None,
            float(np.mean(recent.measures[name])) if name in MEASURES else None,
            far,
            corrected[name],
            far >= distance and corrected[name] <= alpha,
        )
        for name, (far, _) in tests.items()
    ]


def vocabulary_shift(
    before: Sequence[NDArray[np.int64]], now: Sequence[NDArray[np.int64]], rng: np.random.Generator
) -> tuple[float, float]:
    """Distance and p-value of the pieces' frequencies in some documents and others.

    The distance is the square root of the Jensen-Shannon divergence (Lin 1991; in bits, so at most 1) less what it is
    on average between random halves of the same documents: samples of a large vocabulary always differ. Documents are
    permuted, not pieces, since the pieces of one are no independent draws.
    """
    rows = [*before, *now]
    _, pieces = np.unique(np.concatenate(rows), return_inverse=True)
    counts = np.zeros((len(rows), pieces.max() + 1), dtype=np.float32)
    np.add.at(counts, (np.repeat(np.arange(len(rows)), [len(row) for row in rows]), pieces), 1.0)
    divergences = []
    for labels in np.split(_labels(len(before), len(now), rng), range(_AT_ONCE, NUM_PERMUTATIONS + 1, _AT_ONCE)):
        of_first = labels.astype(np.float32) @ counts
        divergences.append(jensenshannon(of_first, counts.sum(axis=0) - of_first, base=2, axis=1) ** 2)
    found = np.concatenate(divergences)
    return float(np.sqrt(max(0.0, found[0] - found[1:].mean()))), _share_as_large(found)


def embedding_shift(
    before: NDArray[np.float64], now: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """Distance and p-value of some points [N, F] and others [M, F].

    The distance is the square root of the energy coefficient 1 - (E|X - X'| + E|Y - Y'|) / 2 E|X - Y| (Székely and
    Rizzo 2013), by averages without a point's distance to itself, which would make it larger the fewer the points.
    """
    num_before, num_now = len(before), len(now)
    points = np.concatenate([before, now])
    distances = cdist(points, points)
    labels = _labels(num_before, num_now, rng).astype(np.float64)
    to_first = labels @ distances
    within_first = (to_first * labels).sum(axis=1)
    across = to_first.sum(axis=1) - within_first
    within_second = distances.sum() - within_first - 2 * across
    within = within_first / (num_before * (num_before - 1)) + within_second / (num_now * (num_now - 1))
    found = 1 - within / np.maximum(2 * across / (num_before * num_now), np.finfo(np.float64).tiny)
    return float(np.sqrt(np.clip(found[0], 0.0, 1.0))), _share_as_large(found)


def _labels(num_before: int, num_now: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which documents are the first ones [1 + NUM_PERMUTATIONS, N + M]: in truth, then at random."""
    true = np.arange(num_before + num_now) < num_before
    return np.stack([true, *(rng.permutation(true) for _ in range(NUM_PERMUTATIONS))])


def _share_as_large(found: NDArray[np.float64]) -> float:
    """The p-value of the first, the others being what chance makes; never 0 (Phipson and Smyth 2010)."""
    return float((1 + (found[1:] >= found[0]).sum()) / len(found))
