"""Finding documents that repeat earlier ones: the same text, or a near duplicate of it.

Two documents are near duplicates if the Jaccard similarity of their sets of word shingles (Broder 1997) is at least as
asked. MinHash LSH proposes candidates and the exact similarity decides: whatever is found is that similar, and few of
those that are go unfound.
"""

import hashlib
import tempfile
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Kind = Literal["exact_duplicate", "near_duplicate"]
Shingles = NDArray[np.uint32]

_RECALL = 0.99
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a document is recognised by."""

    digest: bytes  # of the text, white space evened out
    shingles: Shingles
    minhash: MinHash


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier document that a later one repeats."""

    kind: Kind
    position: int


def shingles(document_words: Sequence[str], shingle_words: int) -> Shingles:
    """The sorted 32-bit hashes of the distinct runs of ``shingle_words`` words.

    A shorter document is one shingle; a document without words has none and is similar to nothing.
    """
    hashes = np.array([zlib.crc32(word.encode()) for word in document_words], np.uint64)
    size = min(shingle_words, len(hashes))
    if size == 0:
        return np.empty(0, np.uint32)
    # A polynomial of the words' hashes modulo 2^64, of which the upper half is well mixed.
    powers = _MULTIPLIER ** np.arange(1, size + 1, dtype=np.uint64)
    return np.unique((sliding_window_view(hashes + np.uint64(1), size) @ powers >> np.uint64(32)).astype(np.uint32))


def jaccard(left: Shingles, right: Shingles) -> float:
    """Size of the intersection over size of the union; 0 if both are empty."""
    shared = np.intersect1d(left, right, assume_unique=True).size
    return shared / max(1, left.size + right.size - shared)


def lsh_bands(similarity: float, num_permutations: int) -> tuple[int, int]:
    """Number of bands, and of permutations in each, with which LSH proposes 99 % of the pairs just as similar as asked.

    Two sets of Jaccard similarity s agree in a band of r permutations with probability s^r, so in one of b bands with
    1 - (1 - s^r)^b (Leskovec et al., Mining of Massive Datasets, section 3.4). The widest band that does proposes the
    fewest pairs in vain. datasketch's own choice weighs both errors alike and would miss most of those pairs.
    """
    for width in range(num_permutations // 2, 1, -1):
        num_bands = num_permutations // width
        if 1 - (1 - similarity**width) ** num_bands >= _RECALL:
            return num_bands, width
    return num_permutations, 1


class DuplicateIndex:
    """The documents added so far, by position: 0 for the first, 1 for the next, and so on.

    Memory is some 4 kB a document, however long it is. The shingles, 4 bytes each, lie in a temporary file until the
    index, a context, is left.
    """

    def __init__(self, similarity: float, shingle_words: int, num_permutations: int, seed: int) -> None:
        self._similarity, self._shingle_words = similarity, shingle_words
        self._lsh = MinHashLSH(num_perm=num_permutations, params=lsh_bands(similarity, num_permutations))
        self._no_shingles = MinHash(num_permutations, seed=seed, hashfunc=int, scheme="affine32")
        self._position_of: dict[bytes, int] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 — closed with the index
        self._ends = array("q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fingerprint(self, document: str, document_words: Sequence[str]) -> Fingerprint:
        """What :meth:`find` and :meth:`add` want to know of a document."""
        digest = hashlib.blake2b(" ".join(document.split()).encode(), digest_size=16).digest()
        runs = shingles(document_words, self._shingle_words)
        minhash = self._no_shingles.copy()
        minhash.update_batch(runs.tolist())
        return Fingerprint(digest, runs, minhash)

    def find(self, document: Fingerprint) -> Match | None:
        """The first added document of the same text, else the first that is similar enough, else None."""
        same = self._position_of.get(document.digest)
        if same is not None:
            return Match("exact_duplicate", same)
        candidates = self._lsh.query(document.minhash) if document.shingles.size else []
        for position in sorted(candidates):
            if jaccard(document.shingles, self._shingles(position)) >= self._similarity:
                return Match("near_duplicate", position)
        return None

    def add(self, document: Fingerprint) -> None:
        """Adds a document at the next position."""
        position = len(self._ends) - 1
        self._position_of.setdefault(document.digest, position)
        self._lsh.insert(position, document.minhash, check_duplication=False)
        self._file.seek(self._ends[-1])
        self._ends.append(self._ends[-1] + self._file.write(document.shingles.tobytes()))

    def _shingles(self, position: int) -> Shingles:
        start, end = self._ends[position], self._ends[position + 1]
        self._file.seek(start)
        return np.frombuffer(self._file.read(end - start), np.uint32)
