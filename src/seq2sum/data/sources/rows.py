"""Rows of local files: JSON Lines, CSV, TSV and Parquet, the text formats also compressed.

Every reader streams. It yields the number of each row, by which a person can find it, and the row's fields:
for JSON Lines and for CSV and TSV the line on which the row begins, for Parquet the row; all count from 1.

Bad input raises UserError with the file, the line or row, and the mend.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.data.sources.fields import describe_kind
from seq2sum.data.text_lines import MAX_LINE_BYTES, compression_of, lines_of
from seq2sum.errors import UserError

Rows = Iterator[tuple[int, dict[str, Any]]]

_BATCH_ROWS = 256


def read_rows(path: Path, columns: Sequence[str] | None) -> Rows:
    """Yields the number and the ``columns`` (None: all) of each row of a file, by the format that its suffixes name.

    Raises UserError if the suffix is unknown, the file empty or damaged, or a column is not there.
    A column that a JSON object lacks is an error in a file's first row, null in a later one: writers drop nulls.
    """
    reader = _reader_of(path)
    rows = _read_parquet(path, columns) if reader is None else reader(lines_of(path), path, columns)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: holds no rows. Leave it out, or write it again.")
    return itertools.chain([first], rows)


def column_names(path: Path) -> list[str]:
    """The columns of a file in its order; of JSON Lines those of the first object. Raises UserError as above."""
    _, row = next(read_rows(path, None))
    return list(row)


def _reader_of(path: Path) -> Callable[..., Rows] | None:
    """What reads a file's lines, by its suffix; None for Parquet."""
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".tsv": _read_tsv}
    compression = compression_of(path)
    suffix = Path(path.name.lower().removesuffix(compression)).suffix
    if suffix == ".parquet" and not compression:
        return None
    if suffix not in readers:
        raise UserError(
            f"{path}: unknown suffix. Known are .jsonl, .csv and .tsv, also with .gz, .xz or .zst after it, and "
            ".parquet. Rename the file after what it holds, or convert it."
        )
    return readers[suffix]


def _read_jsonl(lines: Iterator[str], path: Path, columns: Sequence[str] | None) -> Rows:
    is_first = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: not JSON: {error}. Write one JSON object a line.") from error
        if not isinstance(row, dict):
            kind = describe_kind(row)
            raise UserError(f"{path}, line {number}: {kind} where a JSON object of columns is expected.")
        if is_first:
            _require(path, columns or (), list(row))
            is_first = False
        yield number, {column: row.get(column) for column in (row if columns is None else columns)}


def _read_csv(lines: Iterator[str], path: Path, columns: Sequence[str] | None, delimiter: str = ",") -> Rows:
    """RFC 4180: fields with delimiters, quotes or line breaks stand in quotes, quotes in them are doubled."""
    csv.field_size_limit(MAX_LINE_BYTES)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 1
    header: list[str] | None = None
    places: dict[str, int] = {}
    try:
        for record in records:
            if header is None and record:
                header = record
                wanted = header if columns is None else columns
                _require(path, wanted, header)
                places = {column: header.index(column) for column in wanted}
            elif header is not None and record:
                if len(record) != len(header):
                    raise UserError(
                        f"{path}, line {number}: {len(record)} fields where the header has {len(header)}. "
                        "Put quotes around fields that hold a delimiter or a line break."
                    )
                yield number, {column: record[place] for column, place in places.items()}
            number = records.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, in the row that begins on line {number}: {error}. "
            "Double the quotes inside a quoted field and close it, or write JSON Lines."
        ) from error


def _read_tsv(lines: Iterator[str], path: Path, columns: Sequence[str] | None) -> Rows:
    return _read_csv(lines, path, columns, delimiter="\t")


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Rows:
    number = 1
    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:
            wanted = table.schema_arrow.names if columns is None else columns
            _require(path, wanted, table.schema_arrow.names)
            for batch in table.iter_batches(_BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, row {number} or up to {_BATCH_ROWS} after: text that is not UTF-8.") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise UserError(f"{path}: not a whole Parquet file: {error}. Copy or write it again.") from error


def _require(path: Path, columns: Sequence[str], found: list[str]) -> None:
    for column in columns:
        if found.count(column) != 1:
            problem = "no column" if column not in found else "more than one column"
            raise UserError(
                f"{path}: {problem} {column!r}. There are: {', '.join(map(repr, found))}. "
                "Mend the name where it was given, or the file."
            )
