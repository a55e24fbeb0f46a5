"""Whether a document is in a language or script that a version did not learn: it lacks the commonest words.

Frequent words are what simple language identification goes by (Grefenstette 1995). On the default corpus, with words
from 500 test documents, 17 of 25,355 documents of train and val with 20 words or more look foreign, and 19 of 19 short
texts in eleven other languages. Pieces a word don't tell: French has fewer than many an English list of names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from seq2sum.data.tokenizer import Tokenizer

NUM_WORDS = 30
# A document is judged if it is so long that one of the version's own would have this many of those words …
LEAST_EXPECTED = 7
# … and is foreign if it has less than this part of what all but a twentieth of them have.
QUANTILE, PART = 0.05, 0.15


@dataclass(frozen=True)
class CommonWords:
    """The words of most of a version's own documents, as pieces.

    ``is_common`` [vocabulary]: which pieces they are. ``usual``: their share of the pieces of the median document.
    ``least``: the share below which a document is foreign.
    """

    is_common: NDArray[np.bool_]
    usual: float
    least: float

    @classmethod
    def of_version(cls, model: Path, tokenizer: Tokenizer) -> Self | None:
        """By the record beside the version's model folder.

        None where there is none, as beside other model folders, or where it has no documents to tell by.
        """
        profile = model.parent / paths.RECORD_PROFILE
        if not profile.exists():
            return None
        # Arrow takes long to import.
        import pyarrow.parquet as pq

        if paths.PROFILE_PIECES not in pq.read_schema(profile).names:
            return None
        column = pq.read_table(profile, columns=[paths.PROFILE_PIECES])[paths.PROFILE_PIECES]
        documents = [np.array(pieces, dtype=np.int64) for pieces in column.to_pylist() if pieces]
        counts = np.zeros(tokenizer.vocab_size)
        for pieces in documents:
            counts[np.unique(pieces)] += 1
        counts[[not _is_word(piece) for piece in tokenizer.piece_bytes()]] = 0
        is_common = np.zeros(len(counts), dtype=np.bool_)
        is_common[[index for index in np.argsort(-counts, kind="stable")[:NUM_WORDS] if counts[index]]] = True
        shares = np.array([is_common[pieces].mean() for pieces in documents])
        usual = float(np.median(shares)) if documents else 0.0
        judged = [share for share, pieces in zip(shares, documents, strict=True) if _is_long(len(pieces), usual)]
        return cls(is_common, usual, PART * float(np.quantile(judged, QUANTILE))) if judged else None

    def foreign(self, documents: Sequence[str], tokenizer: Tokenizer) -> dict[int, float]:
        """The documents that look foreign, by their index, with the share of common words among their pieces."""
        found = {}
        for index, pieces in enumerate(tokenizer.encode_batch(documents)):
            if _is_long(len(pieces), self.usual):
                share = float(self.is_common[pieces].mean())
                if share < self.least:
                    found[index] = share
        return found


def _is_long(num_pieces: int, usual: float) -> bool:
    return num_pieces * usual >= LEAST_EXPECTED


def _is_word(piece: bytes) -> bool:
    """Whether it is a whole word after a space; single Latin letters are words, or parts of them, in many languages."""
    text = piece.decode("utf-8", errors="replace")
    return text.startswith(" ") and text[1:].isalpha() and (len(text) > 2 or not text.isascii())
