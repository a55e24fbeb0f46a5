"""The rows of a file that was dropped on the page."""

import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from seq2sum.data.sources.rows import BadRow, rows_and_problems
from seq2sum.errors import UserError
from seq2sum.service.requests import check_document

# Not the compressed ones that the reader knows too: a small upload could fill the memory.
_SUFFIXES = (".jsonl", ".csv", ".tsv")


class Row(NamedTuple):
    """The line on which a row begins, counted from 1, and its document, or why it has none."""

    number: int
    document: str | None
    rejected: str | None


def rows_of(name: str, content: bytes, column: str) -> list[Row]:
    """The rows of a JSON Lines, CSV or TSV file, by the suffix of its ``name``, with the texts in ``column``.

    Raises UserError if the file is of another kind, has no rows or lacks the column.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UserError(f"{name}: unknown suffix. Give {', '.join(_SUFFIXES)} with a column {column!r}.")
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as folder:
        path = Path(folder, f"upload{suffix}")
        path.write_bytes(content)
        try:
            rows = list(_rows(path, column))
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from error
    if not rows:
        raise UserError(f"{name}: holds no rows. Choose another file, or write it again.")
    return rows


def _rows(path: Path, column: str) -> Iterator[Row]:
    for number, row in rows_and_problems(path, [column]):
        if isinstance(row, BadRow):
            yield Row(number, None, row.reason)
            continue
        try:
            yield Row(number, check_document(row[column]), None)
        except UserError as error:
            yield Row(number, None, str(error))
