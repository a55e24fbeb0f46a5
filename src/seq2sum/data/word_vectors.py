"""Word vectors that somebody else trained, for the pieces of the vocabulary that are whole words.

The format is word2vec's text format, in which GloVe and fastText come too: a line ``word v1 … vE`` for each word,
with or without a first line of the two counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seq2sum.data.encoded import PieceVectors
from seq2sum.data.text_lines import lines_of
from seq2sum.data.tokenizer import NUM_SPECIAL, Tokenizer
from seq2sum.errors import UserError


def read_piece_vectors(path: Path, tokenizer: Tokenizer) -> PieceVectors:
    """The vectors of all pieces that begin and, by their spelling, are a word of the file.

    A word that is there in lower case only stands for its other spellings. The vectors are scaled alike to a mean
    length of 1. Memory does not grow with the file.

    Raises UserError if the file is missing, a line is no vector or as long as the others, or no piece is in it.
    """
    wanted, lower = _words(tokenizer)
    exact: dict[int, NDArray[np.float32]] = {}
    fallback: dict[int, NDArray[np.float32]] = {}
    for word, vector in _vectors(path, wanted.keys() | lower.keys()):
        if word in wanted:
            exact[wanted[word]] = vector
        for piece in lower.get(word, ()):
            fallback[piece] = vector
    found = fallback | exact
    if not found:
        raise UserError(f"{path}: holds none of the words of the vocabulary. Is it of another language?")
    ids = sorted(found)
    vectors = np.stack([found[piece] for piece in ids])
    return PieceVectors(np.array(ids), vectors / np.linalg.norm(vectors, axis=1).mean())


def _words(tokenizer: Tokenizer) -> tuple[dict[str, int], dict[str, list[int]]]:
    """The pieces that begin a word by its spelling, and those of other spellings by their lower case."""
    pieces = tokenizer.pieces(range(NUM_SPECIAL, tokenizer.vocab_size))
    wanted = {text[1:]: piece for piece, text in enumerate(pieces, NUM_SPECIAL) if text.startswith(" ") and text[1:]}
    lower = defaultdict(list)
    for word, piece in wanted.items():
        if word.lower() != word:
            lower[word.lower()].append(piece)
    return wanted, lower


def _vectors(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The ``wanted`` words of the file. A word may hold spaces: its vector is what stands after them."""
    size = 0
    for number, line in enumerate(lines_of(path), start=1):
        fields = line.rstrip().split(" ")
        if number == 1 and len(fields) == 2:
            continue
        size = size or len(fields) - 1
        word = " ".join(fields[:-size])
        if not word:
            raise UserError(f"{path}, line {number}: expected a word and {size or 'its'} numbers.")
        if word in wanted:
            try:
                vector = np.array(fields[-size:], dtype=np.float32)
            except ValueError as error:
                raise UserError(f"{path}, line {number}: not a word and its numbers: {error}.") from error
            if not np.isfinite(vector).all():
                raise UserError(f"{path}, line {number}: a number is not finite.")
            yield word, vector
