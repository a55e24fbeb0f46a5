"""Finding documents that repeat earlier ones: the same text, or a near duplicate of it.

Two documents are near duplicates if the Jaccard similarity of their sets of word shingles (Broder 1997) is at least as
asked. MinHash LSH proposes candidates and the exact similarity decides: whatever is found is that similar, and few of
those that are go unfound.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from datasketch import MinHash
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seq2sum.data.scratch import scratch_database

Kind = Literal["exact_duplicate", "near_duplicate"]
Shingles = NDArray[np.uint32]

_RECALL = 0.99
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio

# Rows of `document` are numbered in the order of their coming, so that the first is the one of the lowest number.
_TABLES = (
    "CREATE TABLE document (position INTEGER PRIMARY KEY, digest BLOB, name TEXT, shingles BLOB)",
    "CREATE INDEX by_digest ON document (digest)",
    "CREATE TABLE band (hash INTEGER, position INTEGER, PRIMARY KEY (hash, position)) WITHOUT ROWID",
)
_ADD = "INSERT INTO document (digest, name, shingles) VALUES (?, ?, ?)"
_SAME = "SELECT name FROM document WHERE digest = ? ORDER BY position LIMIT 1"
# CROSS JOIN keeps SQLite to this order of lookups; left to itself it may read whole tables instead.
_ALIKE = """
SELECT DISTINCT position, name, shingles
FROM json_each(?) CROSS JOIN band ON hash = value CROSS JOIN document USING (position) ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a document is recognised by."""

    digest: bytes  # of the text, white space evened out
    shingles: Shingles
    bands: list[int]  # the hash of each band's values


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier document that a later one repeats."""

    kind: Kind
    name: str


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
    """The documents added so far, each under a name.

    They lie in a temporary file until the index, a context, is left: memory does not grow with their number.
    """

    def __init__(self, similarity: float, shingle_words: int, num_permutations: int, seed: int) -> None:
        self._similarity, self._shingle_words = similarity, shingle_words
        num_bands, width = lsh_bands(similarity, num_permutations)
        self._bands = [slice(start, start + width) for start in range(0, num_bands * width, width)]
        self._no_shingles = MinHash(num_permutations, seed=seed, hashfunc=int, scheme="affine32")
        self._database = scratch_database(*_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def fingerprint(self, document: str, document_words: Sequence[str]) -> Fingerprint:
        """What :meth:`find` and :meth:`add` want to know of a document."""
        digest = hashlib.blake2b(" ".join(document.split()).encode(), digest_size=16).digest()
        runs = shingles(document_words, self._shingle_words)
        minhash = self._no_shingles.copy()
        minhash.update_batch(runs.tolist())
        values = minhash.hashvalues
        bands = [_hash_of(band.start, values[band].tobytes()) for band in self._bands] if runs.size else []
        return Fingerprint(digest, runs, bands)

    def find(self, document: Fingerprint) -> Match | None:
        """The first added document of the same text, else the first that is similar enough, else None."""
        same = self._database.execute(_SAME, (document.digest,)).fetchone()
        if same:
            return Match("exact_duplicate", same[0])
        for _, name, its_shingles in self._database.execute(_ALIKE, (json.dumps(document.bands),)):
            if jaccard(document.shingles, np.frombuffer(its_shingles, np.uint32)) >= self._similarity:
                return Match("near_duplicate", name)
        return None

    def add(self, document: Fingerprint, name: str) -> None:
        """Adds a document behind all others."""
        row = (document.digest, name, document.shingles.tobytes())
        position = self._database.execute(_ADD, row).lastrowid
        self._database.executemany("INSERT INTO band VALUES (?, ?)", [(band, position) for band in document.bands])


def _hash_of(number: int, band: bytes) -> int:
    """64 bits, signed as SQLite's integers are, of a band's values and which band it is."""
    digest = hashlib.blake2b(band, digest_size=8, salt=number.to_bytes(4, "little")).digest()
    return int.from_bytes(digest, "little", signed=True)
