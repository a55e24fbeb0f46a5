"""Finding near-duplicate documents: MinHash LSH proposes candidates, exact Jaccard similarity decides.

The similarity of two documents is the Jaccard similarity of their sets of word shingles (Broder 1997). LSH alone would
call some documents duplicates that are not; here it only proposes, so that whatever is found is at least as similar as
asked, and what is missed is rare.
"""

import tempfile
import zlib
from array import array
from collections.abc import Sequence
from typing import Self

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from seq2sum.data.overlap import ngrams

Shingles = NDArray[np.uint32]
_RECALL = 0.99


def shingles(document_words: Sequence[str], shingle_words: int) -> Shingles:
    """The sorted 32-bit hashes of the distinct runs of ``shingle_words`` words.

    A shorter document is one shingle; a document without words has none and is similar to nothing.
    """
    size = min(shingle_words, len(document_words))
    runs = ngrams(document_words, size) if size else []
    hashes = {zlib.crc32(" ".join(run).encode("utf-8", "surrogatepass")) for run in runs}
    return np.sort(np.fromiter(hashes, np.uint32, len(hashes)))


def jaccard(left: Shingles, right: Shingles) -> float:
    """Size of the intersection over size of the union; 0 if both are empty."""
    shared = np.intersect1d(left, right, assume_unique=True).size
    return shared / max(1, left.size + right.size - shared)


def lsh_bands(similarity: float, num_permutations: int) -> tuple[int, int]:
    """Number of bands and permutations per band with which LSH proposes 99 % of the pairs just as similar as asked.

    Two sets of Jaccard similarity s share a band of r permutations with probability s^r, hence one of b bands with
    1 - (1 - s^r)^b (Leskovec et al., Mining of Massive Datasets, section 3.4). The widest such band proposes the fewest
    pairs in vain. datasketch's own choice weighs both errors alike and would miss most of those pairs.
    """
    for width in range(num_permutations // 2, 1, -1):
        num_bands = num_permutations // width
        if 1 - (1 - similarity**width) ** num_bands >= _RECALL:
            return num_bands, width
    return num_permutations, 1


class NearDuplicateIndex:
    """The documents added so far, by position. A context: the shingles lie in a temporary file until it closes.

    Memory is some 3 kB a document, whatever its length; the file takes 4 bytes a shingle.
    """

    def __init__(self, similarity: float, num_permutations: int, seed: int) -> None:
        self._similarity = similarity
        self._lsh = MinHashLSH(num_perm=num_permutations, params=lsh_bands(similarity, num_permutations))
        self._no_shingles = MinHash(num_permutations, seed=seed, hashfunc=int, scheme="affine32")
        self._file = tempfile.TemporaryFile()
        self._ends = array("q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def find(self, document: Shingles) -> int | None:
        """The position of the first added document that is at least as similar as asked, if there is one."""
        if not document.size:
            return None
        for position in sorted(self._lsh.query(self._minhash(document))):
            if jaccard(document, self._shingles(position)) >= self._similarity:
                return int(position)
        return None

    def add(self, document: Shingles) -> int:
        """Adds a document and returns its position: 0 for the first, 1 for the next, and so on."""
        position = len(self._ends) - 1
        self._lsh.insert(position, self._minhash(document), check_duplication=False)
        self._file.seek(self._ends[-1])
        self._ends.append(self._ends[-1] + self._file.write(document.tobytes()))
        return position

    def _minhash(self, document: Shingles) -> MinHash:
        sketch = self._no_shingles.copy()
        sketch.update_batch(document.tolist())
        return sketch

    def _shingles(self, position: int) -> Shingles:
        start, end = self._ends[position], self._ends[position + 1]
        self._file.seek(start)
        return np.frombuffer(self._file.read(end - start), np.uint32)
