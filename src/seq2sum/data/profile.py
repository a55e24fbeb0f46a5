"""What a corpus is like: lengths, vocabulary, and how much its summaries copy."""

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2sum.data.overlap import coverage_and_density, novel_ngram_share, words
from seq2sum.data.pairs import Pair

NOVELTY = {f"novel_{n}_grams": n for n in (1, 2, 3)}

_PERCENTILES = (5, 25, 50, 75, 95, 99)
_VOCABULARY_SIZES = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
_LENGTH_BINS = 40
_SHARE_BINS = 20


@dataclass(frozen=True)
class Profile:
    """Measures of each pair, [num_pairs] each, NaN where a pair has none, and how often each word occurs."""

    measures: Mapping[str, NDArray[np.float64]]
    document_vocabulary: Counter[str]
    summary_vocabulary: Counter[str]

    def summary(self) -> dict[str, Any]:
        """Mean and percentiles of each measure, over the pairs that have it; size and coverage of the vocabularies.

        The coverage of a vocabulary says which share of all running words its most frequent words make up.
        """
        return {
            "measures": {name: _quantiles(values) for name, values in self.measures.items()},
            "vocabulary": {
                "documents": _vocabulary(self.document_vocabulary),
                "summaries": _vocabulary(self.summary_vocabulary),
            },
        }

    def histograms(self) -> dict[str, list[dict[str, float]]]:
        """Rows of plots by name: pairs by words of the document, words of the summary, and novelty of the summary."""
        novel = {name: self.measures[name] for name in NOVELTY}
        return {
            "document_words": _length_histogram(self.measures["document_words"]),
            "summary_words": _length_histogram(self.measures["summary_words"]),
            "novelty": _share_histogram(novel),
        }


def profile_pairs(pairs: Iterable[Pair]) -> Profile:
    """Measures the pairs, of which there is at least one, holding the vocabulary but neither texts nor numbers.

    Lengths are in words. ``compression`` is document words per summary word (Grusky et al. 2018, Newsroom, as are
    coverage and density). ``novel_N_grams`` is the share of the summary's n-grams that its document does not hold;
    a summary of fewer words has none.
    """
    names = ["document_words", "summary_words", "compression", "coverage", "density", *NOVELTY]
    documents: Counter[str] = Counter()
    summaries: Counter[str] = Counter()
    with tempfile.TemporaryFile() as rows:
        for pair in pairs:
            document_words, summary_words = words(pair.document), words(pair.summary)
            documents.update(document_words)
            summaries.update(summary_words)
            compression = len(document_words) / len(summary_words)
            coverage, density = coverage_and_density(document_words, summary_words)
            novel = (
                novel_ngram_share(document_words, summary_words, n) if len(summary_words) >= n else math.nan
                for n in NOVELTY.values()
            )
            row = (len(document_words), len(summary_words), compression, coverage, density, *novel)
            rows.write(np.array(row, np.float64).tobytes())
        rows.flush()
        columns = np.memmap(rows, np.float64, "r").reshape(-1, len(names)).T  # stays when the file is closed
    return Profile(dict(zip(names, columns, strict=True)), documents, summaries)


def _length_histogram(lengths: NDArray[np.float64]) -> list[dict[str, float]]:
    """Bins of equal width, by their shortest length; the last one also holds the longest 1 %."""
    width = 1 + int(np.percentile(lengths, 99)) // _LENGTH_BINS
    counts = np.bincount(np.minimum(lengths // width, _LENGTH_BINS - 1).astype(int))
    return [{"words": index * width, "pairs": int(count)} for index, count in enumerate(counts)]


def _share_histogram(shares: Mapping[str, NDArray[np.float64]]) -> list[dict[str, float]]:
    """Bins of equal width, by their smallest share; the last one also holds 1."""
    edges = np.linspace(0, 1, _SHARE_BINS + 1)
    counts = {name: np.histogram(values[~np.isnan(values)], edges)[0] for name, values in shares.items()}
    return [
        {"share": round(float(edges[index]), 2), **{name: int(count[index]) for name, count in counts.items()}}
        for index in range(_SHARE_BINS)
    ]


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    values = values[~np.isnan(values)] if not np.isnan(values).all() else np.zeros(1)
    percentiles = dict(zip(_PERCENTILES, np.percentile(values, _PERCENTILES), strict=True))
    numbers = {"min": values.min(), "max": values.max(), "mean": values.mean()}
    numbers |= {f"p{percent}": value for percent, value in percentiles.items()}
    return {name: round(float(number), 4) for name, number in numbers.items()}


def _vocabulary(counts: Counter[str]) -> dict[str, Any]:
    frequencies = np.sort(np.fromiter(counts.values(), np.int64, len(counts)))[::-1]
    covered = np.cumsum(frequencies) / frequencies.sum()
    sizes = [size for size in _VOCABULARY_SIZES if size < len(counts)]
    return {
        "num_words": int(frequencies.sum()),
        "num_distinct_words": len(counts),
        "coverage": {str(size): round(float(covered[size - 1]), 4) for size in sizes},
    }
