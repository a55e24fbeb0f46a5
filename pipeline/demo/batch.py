"""The rows of a file that was dropped on the page."""

import tempfile
from pathlib import Path, PurePath

from pipeline.batch import Row, document_rows
from seq2sum.errors import UserError

# Not the compressed ones that the reader knows too: a small upload could fill the memory.
_SUFFIXES = (".jsonl", ".csv", ".tsv")


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
            rows = list(document_rows(path, column))
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from error
    if not rows:
        raise UserError(f"{name}: holds no rows. Choose another file, or write it again.")
    return rows
