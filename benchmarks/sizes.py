"""The two sizes that speed is compared at, and made-up pairs of them.

Needs NumPy alone: the peers' environment imports it too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FIRST_WORD = 4  # ids below are special in our vocabulary
COPIED_SHARE = 0.5


@dataclass(frozen=True)
class Size:
    """Network and pairs. Lengths are words: each one piece, for every contender."""

    key: str  # what it adds to the names of results
    vocab_size: int
    batch_pairs: int
    mean_source: int
    max_source: int
    mean_target: int
    max_target: int
    num_pairs: int
    num_decoded: int
    embedding_size: int = 128
    encoder_size: int = 256  # per direction
    decoder_size: int = 512


SIZES = {
    "first": Size("", 20_000, 64, 100, 200, 12, 30, num_pairs=12_800, num_decoded=128),
    "second": Size("_long", 50_000, 16, 400, 400, 75, 120, num_pairs=3_200, num_decoded=16),
}


def write_corpus(size: Size, folder: Path) -> None:
    """``train.src`` and ``train.tgt``, a pair a line, the words written as ids; ``decode.src``; ``vocabulary``.

    Words follow Zipf's law, lengths a log-normal one that is cut at the most; half of a target is copied. The documents
    to decode are in order of length, so that no contender pads more than it must.
    """
    rng = np.random.default_rng(1)
    sources, targets = (
        _lengths(rng, size.mean_source, size.max_source, size),
        _lengths(rng, size.mean_target, size.max_target, size),
    )
    documents = [_words(rng, length, size) for length in sources]
    summaries = []
    for document, length in zip(documents, targets, strict=True):
        own, copied = _words(rng, length, size), rng.choice(document, length)
        summaries.append(np.where(rng.random(length) < COPIED_SHARE, copied, own))
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (
        ("train.src", documents),
        ("train.tgt", summaries),
        ("decode.src", sorted(documents[: size.num_decoded], key=len)),
    ):
        (folder / name).write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    (folder / "vocabulary").write_text("".join(f"{word}\n" for word in range(FIRST_WORD, size.vocab_size)))


def read_rows(path: Path) -> list[NDArray[np.int32]]:
    """The ids of each line."""
    return [np.array(line.split(), dtype=np.int32) for line in path.read_text().splitlines()]


def _lengths(rng: np.random.Generator, mean: int, most: int, size: Size) -> NDArray[np.int64]:
    # Where the mean is the most, as for news cut at 400 pieces, most are cut.
    center = mean if mean < most else 2 * mean
    drawn = rng.lognormal(np.log(center) - 0.08, 0.4, size.num_pairs)
    return np.clip(drawn.round().astype(np.int64), 3, most)


def _words(rng: np.random.Generator, length: int, size: Size) -> NDArray[np.int64]:
    ranks = np.exp(rng.random(length) * np.log(size.vocab_size - FIRST_WORD)).astype(np.int64) - 1
    return FIRST_WORD + ranks
