"""A limit in words under which a summary ends with a whole one.

Shapes: B documents, K beams, V pieces, L pieces so far.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_PART = "\N{REPLACEMENT CHARACTER}"  # how bytes that are no whole character are decoded
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))


class WordTable:
    """How many words each piece begins, and which go on with one; made once for a tokenizer."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """``pieces`` are the bytes of each piece by id; special ones have none."""
        self.pieces = pieces
        texts = [piece.decode("utf-8", errors="replace") for piece in pieces]
        within = np.array([_words_begun_within(piece, text) for piece, text in zip(pieces, texts, strict=True)])
        unspaced = np.array([bool(text) and not text[0].isspace() for text in texts])
        # Words that a piece begins [2, V]: within another word, and after white space or at the start.
        self.begins = torch.from_numpy(np.stack([within, within + unspaced]).astype(np.int16))
        self.most_begun = int(self.begins.max())
        self.going_on = torch.tensor(
            [n for n, text in enumerate(texts) if text and (text[0].isalnum() or text[0] == _PART)]
        )


class WordLimit:
    """Forbids pieces that would begin a word too many, and ends in the middle of a word; a constraint, the last of all.

    Words are what white space separates, as ``str.split`` does. Where a word ends is known only from the piece after
    it, so the last one is not cut at its first piece: pieces that go on with it stay free, and with ``whole`` the
    summary may not end as long as the model gives these more than half of its probability.
    """

    def __init__(
        self, table: WordTable, max_words: int, end_id: int, whole: bool, device: torch.device | str = "cpu"
    ) -> None:
        self._table, self._max_words, self._end_id, self._whole = table, max_words, end_id, whole
        self._begins, self._going_on = table.begins.to(device), table.going_on.to(device)

    def __call__(self, log_probs: Tensor, prefixes: Tensor, documents: Tensor) -> None:
        """Writes minus infinity into ``log_probs`` [B, K, V] after ``prefixes`` [B, K, L]."""
        num_pieces = prefixes.shape[2]
        if (num_pieces + 1) * self._table.most_begun > self._max_words:
            left, after_space = self._count(prefixes)
            log_probs.masked_fill_(self._begins[after_space] > left.unsqueeze(2), -torch.inf)
        if self._whole and num_pieces:
            log_going_on = log_probs.index_select(2, self._going_on).logsumexp(dim=2)
            log_probs[:, :, self._end_id].masked_fill_(log_going_on > math.log(0.5), -torch.inf)

    def _count(self, prefixes: Tensor) -> tuple[Tensor, Tensor]:
        """For every beam [B, K]: how many words may still begin, and 1 if white space or nothing comes before."""
        texts = [
            b"".join(map(self._table.pieces.__getitem__, ids)).decode("utf-8", errors="replace")
            for ids in prefixes.flatten(0, 1).tolist()
        ]
        left = torch.tensor([self._max_words - len(text.split()) for text in texts], device=prefixes.device)
        after_space = torch.tensor([int(not text or text[-1].isspace()) for text in texts], device=prefixes.device)
        return left.view(prefixes.shape[:2]), after_space.view(prefixes.shape[:2])


def _words_begun_within(piece: bytes, text: str) -> int:
    """How many words begin in a piece after white space of its own; never too few."""
    begun = sum(before.isspace() and not after.isspace() for before, after in itertools.pairwise(text))
    # Bytes that complete a character may complete a space of several bytes.
    completed = len(piece) - len(piece.lstrip(_CONTINUATION_BYTES))
    return begun + (0 < completed < len(piece))
