"""A guard against invented numbers and names: in search, each claim of a summary must stand in its document.

Claims and their support are those of :mod:`seq2sum.data.support`. The guard works on the bytes of pieces, and forbids
more than it must rather than less. A word that has become a claim must remain the beginning of a supported spelling,
and one is begun only if enough pieces are left to complete it: so every beam can go on.

Shapes: B documents, K beams, V pieces, L pieces so far.
"""

import bisect
import functools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2sum.data.overlap import word_pattern
from seq2sum.data.support import NUMBER_JOINERS, cased_words, is_claim, ordinary_words

# What the pieces so far end in: no word, and there has been none; no word; one that is no claim (yet); a supported
# claim; the beginning of one; a supported claim and a mark that joins it to digits, if these follow.
START, NOTHING, PLAIN, CLAIM, PART, JOINED = range(6)
_NUM_ENDINGS = 6
_OUT_OF_REACH = np.iinfo(np.int16).max


class SupportTable:
    """What the guard knows of a vocabulary; made once for a tokenizer.

    ``free`` and ``if_begun`` [6, V] say for each ending which pieces may follow: always, and if they begin a spelling
    of the document. Pieces that go on with a claim are found by the spelling instead.
    """

    def __init__(self, pieces: Sequence[bytes], end_id: int) -> None:
        """``pieces`` are the bytes of each piece by id; special ones have none."""
        self.pieces = pieces
        self.free = np.zeros((_NUM_ENDINGS, len(pieces)), dtype=bool)
        self.free[[START, NOTHING, PLAIN, CLAIM, JOINED], end_id] = True
        self.if_begun = np.zeros_like(self.free)
        self.begin: dict[bytes, list[int]] = {}  # pieces by the claim, or part of one, that they end in
        self.within: dict[bytes, int] = {}  # pieces that may stand in the middle of a claim
        self._has_break = [False] * len(pieces)  # a word, or a number with what joins its digits, ends here
        for number, piece in enumerate(pieces):
            if piece:
                self._add(number, piece)
        self._longest = max(map(len, self.within))
        self.open_word = functools.lru_cache(maxsize=1 << 16)(_open_word)
        self.num_pieces_of = functools.lru_cache(maxsize=1 << 16)(self._num_pieces_of)

    def _add(self, number: int, piece: bytes) -> None:
        is_spaced = piece.startswith(b" ")
        try:
            text = piece.removeprefix(b" ").decode()
        except UnicodeDecodeError:  # parts of characters: only as the spellings of the document have them
            self._add_claim(number, piece.removeprefix(b" "), is_spaced, joins_digits=not is_spaced)
            return
        tail = text[len(text) - _num_leading_letters(text[::-1]) :]
        is_joiner = not is_spaced and text in tuple(NUMBER_JOINERS)
        begins_with_break = is_spaced or not _num_leading_letters(text)
        self._has_break[number] = (is_spaced or len(tail) < len(text)) and not is_joiner
        if not is_claim(text):
            self.free[[START, NOTHING, PLAIN, JOINED], number] = True
            self.free[CLAIM, number] = begins_with_break
            if is_joiner or piece == tail.encode():
                self.within[piece] = number
        elif len(tail) == len(text):
            self._add_claim(number, tail.encode(), is_spaced, joins_digits=not is_spaced and text[0].isdigit())
        elif begins_with_break and not is_claim(text[: -len(tail) or None]) and text[0] not in NUMBER_JOINERS:
            self._add_claim(number, tail.encode(), True, joins_digits=False)

    def _add_claim(self, number: int, claim: bytes, has_break: bool, joins_digits: bool) -> None:
        self._has_break[number] = has_break
        self.begin.setdefault(claim, []).append(number)
        self.if_begun[[START, NOTHING], number] = True
        self.if_begun[[PLAIN, CLAIM], number] = has_break
        self.if_begun[JOINED, number] = not joins_digits
        if not has_break:
            self.within[claim] = number

    @functools.cached_property
    def ordinary(self) -> "Spellings":
        """What the first word of a summary may be besides, whatever its document."""
        return Spellings(self, (word.capitalize().encode() for word in ordinary_words(self.pieces)))

    def latest_word(self, ids: Sequence[int]) -> tuple[bytes, bool, bool]:
        """The word that ``ids`` end in, whether a mark that may join it to digits follows, and whether it is the first.

        The word includes such a mark, and the bytes of a character that is not complete.
        """
        start = max(0, len(ids) - 1)
        while start and not self._has_break[ids[start]]:
            start -= 1
        before, latest = (b"".join(self.pieces[piece] for piece in part) for part in (ids[:start], ids[start:]))
        word, is_joined, is_first = self.open_word(latest)
        return word, is_joined, is_first and not _has_word(before)

    def _num_pieces_of(self, rest: bytes) -> int:
        """How many pieces suffice to go on with a word by ``rest``."""
        count = 0
        while rest:
            length = next(n for n in range(min(len(rest), self._longest), 0, -1) if rest[:n] in self.within)
            rest = rest[length:]
            count += 1
        return count


class Spellings:
    """The claims that may be written, as bytes, and the pieces that begin them or go on with them."""

    def __init__(self, table: SupportTable, spellings: Iterable[bytes]) -> None:
        self._table = table
        self._known = frozenset(spellings)
        self._sorted = sorted(self._known)
        self._going_on: dict[bytes, Mapping[int, int]] = {}

    def __contains__(self, word: bytes) -> bool:
        return word in self._known

    @functools.cached_property
    def starts(self) -> NDArray[np.int16]:
        """For each piece [V] how many more complete a claim that it begins, at least; 32,767 if it begins none."""
        needs = np.full(len(self._table.pieces), _OUT_OF_REACH, dtype=np.int16)
        for spelling in self._known:
            for length in range(1, len(spelling) + 1):
                for piece in self._table.begin.get(spelling[:length], ()):
                    needs[piece] = min(needs[piece], self._table.num_pieces_of(spelling[length:]))
        return needs

    def going_on(self, word: bytes) -> Mapping[int, int]:
        """The pieces that go on from ``word`` to a claim, and how many more complete it, at least."""
        found = self._going_on.get(word)
        if found is None:
            found = self._going_on[word] = self._find_going_on(word)
        return found

    def _find_going_on(self, word: bytes) -> Mapping[int, int]:
        needs: dict[int, int] = {}
        for spelling in self._sorted[bisect.bisect_left(self._sorted, word) :]:
            if not spelling.startswith(word):
                break
            for length in range(len(word) + 1, len(spelling) + 1):
                piece = self._table.within.get(spelling[len(word) : length])
                if piece is not None:
                    need = self._table.num_pieces_of(spelling[length:])
                    needs[piece] = min(need, needs.get(piece, need))
        return needs


class SourceSupport:
    """The guard over one search. It is a constraint, and tells the documents by their place in the search."""

    def __init__(
        self, table: SupportTable, documents: Sequence[str], max_tokens: int, device: torch.device | str = "cpu"
    ) -> None:
        self._table, self._max_tokens = table, max_tokens
        self._spellings = [Spellings(table, document_spellings(document)) for document in documents]
        self._starts = torch.from_numpy(np.stack([one.starts for one in self._spellings])).to(device)
        self._ordinary_starts = torch.from_numpy(table.ordinary.starts).to(device)
        self._free, self._if_begun = (torch.from_numpy(rows).to(device) for rows in (table.free, table.if_begun))

    def __call__(self, log_probs: Tensor, prefixes: Tensor, documents: Tensor) -> None:
        """Writes minus infinity into ``log_probs`` [B, K, V] after ``prefixes`` [B, K, L]."""
        num_left = self._max_tokens - prefixes.shape[2] - 1
        endings, going_on = [], []
        for row, (document, beams) in enumerate(zip(documents.tolist(), prefixes.tolist(), strict=True)):
            for beam, ids in enumerate(beams):
                ending, needs = self._ending(self._spellings[document], ids)
                endings.append(ending)
                going_on += [(row, beam, piece) for piece, need in needs.items() if need <= num_left]
        rows = torch.tensor(endings, device=log_probs.device).view(prefixes.shape[:2])
        begun = (self._starts[documents] <= num_left).unsqueeze(1)
        allowed = self._free[rows] | (self._if_begun[rows] & begun)
        allowed[rows == START] |= self._if_begun[START] & (self._ordinary_starts <= num_left)
        if going_on:
            allowed[tuple(torch.tensor(going_on, device=log_probs.device).t())] = True
        log_probs.masked_fill_(~allowed, -torch.inf)

    def _ending(self, spellings: Spellings, ids: Sequence[int]) -> tuple[int, Mapping[int, int]]:
        """What ``ids`` end in, and the pieces that go on with it with the number that must follow."""
        word, is_joined, is_first = self._table.latest_word(ids)
        if not word:
            return (START if is_first else NOTHING), {}
        needs, is_supported = spellings.going_on(word), word.rstrip(_JOINERS) in spellings
        if is_first:
            ordinary = self._table.ordinary.going_on(word)
            needs = {
                piece: min(each.get(piece, _OUT_OF_REACH) for each in (needs, ordinary))
                for piece in {*needs, *ordinary}
            }
            is_supported |= word in self._table.ordinary
        if is_joined:
            return (JOINED if is_supported else PART), needs
        if not _is_claim(word):
            return PLAIN, needs
        return (CLAIM if is_supported else PART), needs


_JOINERS = NUMBER_JOINERS.encode()


def document_spellings(document: str) -> set[bytes]:
    """How the claims that ``document`` supports may be written: as there, small, Capitalised or ALL CAPS.

    With them stand the words and signs of the document that have letters beyond ASCII, which may be no whole pieces.
    """
    spellings = {spelling for word in set(cased_words(document)) for spelling in _spellings_of(word)}
    return spellings | {sign.encode() for sign in set(document) if not sign.isascii() and not _is_letter(sign)}


@functools.lru_cache(maxsize=1 << 16)
def _spellings_of(word: str) -> tuple[bytes, ...]:
    forms = {word, word.lower(), word.capitalize(), word.upper()}
    return tuple(
        form.encode()
        for form in sorted(forms)
        if (is_claim(form) or not form.isascii()) and form.lower() == word.lower() and cased_words(form) == [form]
    )


@functools.lru_cache(maxsize=1 << 16)
def _is_claim(word: bytes) -> bool:
    """Whether ``word`` is a claim, or ends within a character, which may be one."""
    try:
        return is_claim(word.decode())
    except UnicodeDecodeError:
        return True


@functools.lru_cache(maxsize=1 << 16)
def _is_letter(sign: str) -> bool:
    """Whether ``sign`` goes on with a word; what is a word by itself, as in Chinese, does not."""
    return word_pattern().fullmatch("a" + sign) is not None


def _num_leading_letters(text: str) -> int:
    return next((place for place, sign in enumerate(text) if not _is_letter(sign)), len(text))


def _open_word(written: bytes) -> tuple[bytes, bool, bool]:
    """The word that ``written`` ends in, whether a mark that may join it to digits follows, whether it is the first."""
    text = written.decode(errors="ignore")
    rest = written[len(text.encode()) :]  # an incomplete character: the guard lets no others arise
    is_joined = not rest and text[-1:] in tuple(NUMBER_JOINERS) and text[-2:-1].isdigit()
    start = len(text) - is_joined
    while start and (_is_letter(text[start - 1]) or _joins(text, start - 1, bool(rest))):
        start -= 1
    return text[start:].encode() + rest, is_joined, not _has_word(text[:start].encode())


@functools.lru_cache(maxsize=1 << 16)
def _has_word(written: bytes) -> bool:
    return word_pattern().search(written.decode(errors="ignore")) is not None


def _joins(text: str, place: int, is_followed: bool) -> bool:
    """Whether the sign at ``place`` joins the digits around it; what ``is_followed`` by a part of a sign may be one."""
    following = text[place + 1 : place + 2]
    return (
        text[place] in NUMBER_JOINERS
        and text[place - 1 : place].isdigit()
        and (following.isdigit() or (not following and is_followed))
    )
