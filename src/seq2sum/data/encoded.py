"""Pairs as piece ids, read in place from memory-mapped Arrow files.

A folder holds ``info.json`` and one data set per split with the columns ``source_ids`` and ``target_ids``, lists of
32-bit integers without begin or end mark. :mod:`seq2sum.data.encoding` writes it; reading needs no ``datasets``.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from seq2sum.errors import UserError

Ids = NDArray[np.int32]

VERSION = 1
INFO, VECTORS = "info.json", "vectors.safetensors"
COLUMNS = ["source_ids", "target_ids"]
_ID_LISTS = pa.list_(pa.int32())
_MEND = "Run the encode stage again."


class PieceVectors(NamedTuple):
    """Vectors [n, E] that the embeddings of the pieces ``ids`` [n] start from, ids rising."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Writes them beside the encoded pairs."""
        save_file(self._asdict(), folder / VECTORS)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What :meth:`save` wrote; None where nothing was. Raises UserError if it is damaged."""
        path = folder / VECTORS
        if not path.exists():
            return None
        try:
            return cls(**load_file(path))
        except (SafetensorError, TypeError) as error:
            raise UserError(f"{path}: damaged: {error}. {_MEND}") from error


def _view(array: pa.Int32Array) -> Ids:
    """The numbers in place. ``to_numpy`` would load pandas first, which takes 40 MiB."""
    if not len(array):
        return np.empty(0, np.int32)
    return np.frombuffer(array.buffers()[1], np.int32, len(array), array.offset * array.type.bit_width // 8)


class EncodedColumn:
    """A column of id lists, read in place from the mapped file."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._chunks = [(_view(chunk.offsets), _view(chunk.values)) for chunk in column.chunks]
        lengths = [np.diff(offsets) for offsets, _ in self._chunks]
        self._starts = np.cumsum([0, *map(len, lengths)])
        self.lengths: Ids = np.concatenate([np.empty(0, np.int32), *lengths])

    def rows(self, indices: NDArray[np.integer]) -> list[Ids]:
        """The lists at ``indices``: read-only views, nothing is copied."""
        rows = []
        chunk_numbers = np.searchsorted(self._starts, indices, side="right") - 1
        for chunk_number, row in zip(chunk_numbers, indices - self._starts[chunk_numbers], strict=True):
            offsets, values = self._chunks[chunk_number]
            rows.append(values[offsets[row] : offsets[row + 1]])
        return rows

    def update(self, digest: "hashlib._Hash") -> None:
        """Feeds the number of lists, their lengths and their ids in order, however they are chunked."""
        digest.update(len(self.lengths).to_bytes(8, "little"))
        digest.update(self.lengths.astype("<i4").data)
        for offsets, values in self._chunks:
            digest.update(values[offsets[0] : offsets[-1]].astype("<i4").data)


class EncodedPairs:
    """The pairs of one split. Memory is 8 bytes a pair; the ids stay in the mapped file."""

    def __init__(self, source: EncodedColumn, target: EncodedColumn) -> None:
        self._source, self._target = source, target

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Maps one split's data set. Raises UserError if it is missing, damaged or of another kind."""
        files = sorted(folder.glob("data-*.arrow"))
        if not files:
            raise UserError(f"{folder}: holds no encoded pairs. {_MEND}")
        try:
            table = pa.concat_tables([pa.ipc.open_stream(pa.memory_map(str(file))).read_all() for file in files])
            columns = [table.column(name) for name in COLUMNS]
        except (pa.ArrowException, OSError, KeyError) as error:
            raise UserError(f"{folder}: damaged: {error}. {_MEND}") from error
        if any(
            column.type != _ID_LISTS or column.null_count or any(chunk.values.null_count for chunk in column.chunks)
            for column in columns
        ):
            raise UserError(f"{folder}: its columns are not lists of 32-bit integers. {_MEND}")
        return cls(*map(EncodedColumn, columns))

    def __len__(self) -> int:
        return len(self.source_lengths)

    @property
    def source_lengths(self) -> Ids:
        """Pieces of each document, [num_pairs]."""
        return self._source.lengths

    @property
    def target_lengths(self) -> Ids:
        """Pieces of each summary, [num_pairs]."""
        return self._target.lengths

    def sources(self, indices: NDArray[np.integer]) -> list[Ids]:
        """The piece ids of the documents at ``indices``, as read-only views."""
        return self._source.rows(indices)

    def targets(self, indices: NDArray[np.integer]) -> list[Ids]:
        """The piece ids of the summaries at ``indices``, as read-only views."""
        return self._target.rows(indices)

    def update(self, digest: "hashlib._Hash") -> None:
        """Feeds the content into ``digest``."""
        self._source.update(digest)
        self._target.update(digest)


def read_info(folder: Path) -> dict[str, Any]:
    """The counts and the digest of a folder. Raises UserError if they are missing or of another version."""
    path = folder / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. {_MEND}") from error
    except ValueError as error:
        raise UserError(f"{path}: damaged, not readable as JSON ({error}). {_MEND}") from error
    if not isinstance(info, dict) or info.get("version") != VERSION:
        raise UserError(f"{path}: not of format version {VERSION}. {_MEND}")
    return info
