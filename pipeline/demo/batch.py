"""The documents in a file that was dropped on the page."""

import tempfile
from pathlib import Path, PurePath

from seq2sum.data.sources.fields import describe_kind
from seq2sum.data.sources.rows import read_rows
from seq2sum.errors import UserError

# Not the compressed ones that the reader knows too: a small upload could fill the memory.
_SUFFIXES = (".jsonl", ".csv", ".tsv")


def read_documents(name: str, content: bytes, column: str) -> list[str]:
    """The texts in ``column`` of a JSON Lines, CSV or TSV file, by the suffix of its ``name``.

    Raises UserError with the line if the file is of another kind, damaged or lacks the column.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UserError(f"{name}: unknown suffix. Give {', '.join(_SUFFIXES)} with a column {column!r}.")
    documents = []
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as folder:
        path = Path(folder, f"upload{suffix}")
        path.write_bytes(content)
        try:
            for number, row in read_rows(path, [column]):
                if not isinstance(row[column], str):
                    kind = describe_kind(row[column])
                    raise UserError(f"{path}, line {number}: {column!r} is {kind}, not text.")
                documents.append(row[column])
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from error
    return documents
