"""The subword vocabulary: byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) that loses nothing of a text."""

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from seq2sum.errors import UserError
from seq2sum.files import write_json

PAD, BOS, EOS, MASK = range(4)
NUM_SPECIAL = 4

_FORMAT, _VERSION = "seq2sum.tokenizer", 1
# No text can turn into these: byte-level pieces are written in an alphabet that has no such brackets.
_SPECIAL_PIECES = ["⟨pad⟩", "⟨bos⟩", "⟨eos⟩", "⟨mask⟩"]


class Tokenizer:
    """Text to piece ids and back: ``decode(encode(text)) == text`` for every Unicode string.

    A space is put before every text and taken off again by :meth:`decode`, so that a word that starts a summary is the
    same piece as that word within its document and can be copied. The special ids 0 to 3 never come out of
    :meth:`encode`, whatever the text says.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, min_frequency: int) -> Self:
        """Learns a vocabulary of at most ``vocab_size`` pieces, of which 4 are special and 256 are the bytes.

        A merge must occur ``min_frequency`` times. The result depends on the texts alone, not on their order.
        """
        backend = tokenizers.Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=_SPECIAL_PIECES,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(_with_space(texts), trainer)
        content = json.loads(backend.to_str())
        content["added_tokens"] = []  # what stands here would be looked for in the text
        return cls(tokenizers.Tokenizer.from_str(json.dumps(content)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what :meth:`save` wrote. Raises UserError if the file is missing, damaged or of another format."""
        mend = "Make it again with the train_tokenizer stage."
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"{path}: not found. {mend}") from error
        except ValueError as error:
            raise UserError(f"{path}: damaged, not readable as JSON ({error}). {mend}") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise UserError(f"{path}: no tokenizer of this project. {mend}")
        if content.get("version") != _VERSION:
            raise UserError(f"{path}: format version {content.get('version')}, expected {_VERSION}. {mend}")
        return cls(_backend_from(content.get("tokenizer"), f"{path}: damaged ({{}}). {mend}"))

    def save(self, path: Path) -> None:
        """Writes the tokenizer as JSON, atomically; equal tokenizers give equal bytes."""
        write_json(path, {"format": _FORMAT, "version": _VERSION, "tokenizer": json.loads(self._backend.to_str())})

    @property
    def vocab_size(self) -> int:
        """Number of pieces, the special ones included; ids are below it."""
        return self._backend.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The piece ids of ``text``, without special ones; none for an empty text.

        Raises UserError if the text holds a lone surrogate, which is no character.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """:meth:`encode` for each text, on all cores that ``RAYON_NUM_THREADS`` allows."""
        try:
            encodings = self._backend.encode_batch_fast([" " + text for text in texts], add_special_tokens=False)
        except TypeError as error:
            for text in texts:
                _require_characters(text)
            raise error
        return [encoding.ids if text else [] for text, encoding in zip(texts, encodings, strict=True)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; special ones are left out, and bytes that form no whole character."""
        pieces = [int(piece) for piece in ids if piece >= NUM_SPECIAL]
        text: str = self._backend.decode(pieces)
        if "\ufffd" in text:  # one that was written so, or a part of another
            text = b"".join(self._bytes_of[piece] for piece in pieces).decode(errors="ignore")
        return text.removeprefix(" ")

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The piece ids of ``text`` and the characters [start, end) of it that each stands for, its space included.

        A character that is several pieces belongs to each of them. Raises UserError as :meth:`encode`.
        """
        ids = self.encode(text)
        offsets = self._backend.encode(" " + text, add_special_tokens=False).offsets if ids else []
        return ids, [(max(0, start - 1), end - 1) for start, end in offsets]

    @functools.cached_property
    def _bytes_of(self) -> list[bytes]:
        return self.piece_bytes()

    def piece_bytes(self) -> list[bytes]:
        """The UTF-8 bytes of every piece by id, with its leading space; empty for the special ones."""
        ids = self._backend.get_vocab()
        names = sorted(ids, key=ids.__getitem__)[NUM_SPECIAL:]
        return [b""] * NUM_SPECIAL + [bytes(_BYTES[letter] for letter in name) for name in names]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The text of each piece by itself, for people to read: with its leading space, special ones by name."""
        return [self._backend.decode([int(piece)]) if piece >= NUM_SPECIAL else _SPECIAL_PIECES[piece] for piece in ids]


def _byte_letters() -> dict[str, int]:
    """The byte that each letter of the byte-level alphabet stands for (Radford et al. 2019).

    Printable bytes of Latin-1 stand for themselves, the others for the letters from U+0100 on in their order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_letters()


def _with_space(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield " " + text


def _require_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"A text holds {text[error.start]!a} at character {error.start}, half of a surrogate pair. "
            "Mend its source or replace it."
        ) from error


def _backend_from(content: Any, message: str) -> tokenizers.Tokenizer:
    """The tokenizer that the library's own JSON describes; UserError with ``message`` if it is not one of ours."""
    try:
        backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(message.format(error)) from error
    if [backend.token_to_id(piece) for piece in _SPECIAL_PIECES] != [PAD, BOS, EOS, MASK]:
        raise UserError(message.format("its special ids are not 0 to 3"))
    return backend
