"""The documents in a file that was dropped on the page."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import PurePath

from seq2sum.errors import UserError


def read_documents(name: str, content: bytes, column: str) -> list[str]:
    """The texts in ``column`` of a JSON Lines, CSV or TSV file, by the suffix of its ``name``.

    Raises UserError with the line if the file is of another kind, damaged or lacks the column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}: not UTF-8. Save the file as UTF-8.") from error
    suffix = PurePath(name).suffix.lower()
    if suffix == ".jsonl":
        documents = list(_of_jsonl(name, text, column))
    elif suffix in {".csv", ".tsv"}:
        documents = list(_of_csv(name, text, column, "," if suffix == ".csv" else "\t"))
    else:
        raise UserError(f"{name}: unknown suffix. Give .jsonl, .csv or .tsv with a column {column!r}.")
    if not documents:
        raise UserError(f"{name}: holds no rows.")
    return documents


def _of_jsonl(name: str, text: str, column: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{name}, line {number}: not JSON ({error}). Write one JSON object a line.") from error
            if not isinstance(row, dict) or not isinstance(row.get(column), str):
                raise UserError(f"{name}, line {number}: no text under {column!r}.")
            yield row[column]


def _of_csv(name: str, text: str, column: str, delimiter: str) -> Iterator[str]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(len(text) + 1)
    try:
        if column not in (rows.fieldnames or []):
            raise UserError(f"{name}: no column {column!r}. There are: {', '.join(rows.fieldnames or [])}.")
        for row in rows:
            if row[column] is None or None in row:
                raise UserError(f"{name}, line {rows.line_num}: not as many fields as the header has.")
            yield row[column]
    except csv.Error as error:
        raise UserError(f"{name}, line {rows.line_num}: {error}. Put quotes around fields that hold quotes.") from error
