"""Rows of local files: JSON Lines, CSV, TSV and Parquet, the text formats also compressed.

Every reader streams. It yields the number of each row, by which a person can find it, and the row's fields:
for JSON Lines and for CSV and TSV the line on which the row begins, for Parquet the row; all count from 1.

A .csv file without a comma in its first line has semicolons or tabs, whichever that line holds.

Bad input raises UserError with the file, the line or row, and the mend; :func:`rows_and_problems` reads on after a row
that is bad.
"""

import csv
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.data.sources.fields import describe_kind
from seq2sum.data.text_lines import MAX_LINE_BYTES, compression_of, lines_and_problems
from seq2sum.errors import UserError


class BadRow(NamedTuple):
    """Why a row can't be read, and the mend. ``place``: how an error names it, such as "line"."""

    reason: str
    place: str = "line"


Rows = Iterator[tuple[int, dict[str, Any]]]
RowsAndProblems = Iterator[tuple[int, dict[str, Any] | BadRow]]
# A line, and what is wrong with it.
_Lines = Iterator[tuple[str, str | None]]

_BATCH_ROWS = 256
_LINE_ENDS = "Its line ends are carriage returns alone, of an old Mac, say: convert them with tr '\\r' '\\n'."


def read_rows(path: Path, columns: Sequence[str] | None) -> Rows:
    """Yields the number and the ``columns`` (None: all) of each row of a file, by the format that its suffixes name.

    Raises UserError if the suffix is unknown, the file empty or damaged, a row bad, or a column is not there.
    A column that a JSON object lacks is an error in a file's first row, null in a later one: writers drop nulls.
    """
    rows = _only_good(path, rows_and_problems(path, columns))
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: holds no rows. Leave it out, or write it again.")
    return itertools.chain([first], rows)


def rows_and_problems(path: Path, columns: Sequence[str] | None) -> RowsAndProblems:
    """Like :func:`read_rows`, but yields a BadRow in the place of a row that can't be read; a file may hold no rows.

    A row of CSV that breaks the rules of quoting ends with its first line: an open quote takes no other rows with it.
    """
    kind = format_of(path)
    if kind is None:
        raise UserError(
            f"{path}: unknown suffix. Known are .jsonl, .csv and .tsv, also with .gz, .xz or .zst after it, and "
            ".parquet. Rename the file after what it holds, or convert it."
        )
    reader = _READERS.get(kind)
    return _read_parquet(path, columns) if reader is None else reader(lines_and_problems(path), path, columns)


def _only_good(path: Path, rows: RowsAndProblems) -> Rows:
    for number, row in rows:
        if isinstance(row, BadRow):
            raise UserError(f"{path}, {row.place} {number}: {row.reason}")
        yield number, row


def column_names(path: Path) -> list[str]:
    """The columns of a file in its order; of JSON Lines those of the first object. Raises UserError as above."""
    _, row = next(read_rows(path, None))
    return list(row)


def format_of(path: Path) -> str | None:
    """The format that the file's suffixes name: ".jsonl", ".csv", ".tsv" or ".parquet"; None for what is not read."""
    compression = compression_of(path)
    suffix = Path(path.name.lower().removesuffix(compression)).suffix
    return suffix if suffix in _READERS or (suffix == ".parquet" and not compression) else None


def _read_jsonl(lines: _Lines, path: Path, columns: Sequence[str] | None) -> RowsAndProblems:
    is_first = True
    for number, (line, problem) in enumerate(lines, start=1):
        if problem:
            yield number, BadRow(problem)
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            mend = _LINE_ENDS if "\r" in line.rstrip() else "Write one JSON object a line."
            yield number, BadRow(f"not JSON: {error}. {mend}")
            continue
        if not isinstance(row, dict):
            yield number, BadRow(f"{describe_kind(row)} where a JSON object of columns is expected.")
            continue
        if is_first:
            _require(path, columns or (), list(row))
            is_first = False
        yield number, {column: row.get(column) for column in (row if columns is None else columns)}


class _Record:
    """What csv.reader takes its lines from: those of the record that it reads, which can be put back."""

    def __init__(self, lines: _Lines) -> None:
        self._lines, self._again = lines, deque[tuple[str, str | None]]()
        self.number, self.taken = 1, list[tuple[str, str | None]]()

    def __iter__(self) -> "_Record":
        return self

    def __next__(self) -> str:
        self.taken.append(self._again.popleft() if self._again else next(self._lines))
        return self.taken[-1][0]

    @property
    def problem(self) -> str | None:
        """Of the first line that has one, with its number where that is not the record's."""
        found = ((index, problem) for index, (_, problem) in enumerate(self.taken) if problem)
        index, problem = next(found, (0, None))
        return f"on line {self.number + index}: {problem}" if problem and index else problem

    def end(self, num_lines: int) -> None:
        """The record has so many of the lines that were taken; the others are those of the next ones."""
        self._again.extendleft(reversed(self.taken[num_lines:]))
        self.number += num_lines
        self.taken = []


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    """RFC 4180: fields with delimiters, quotes or line breaks stand in quotes, quotes in them are doubled."""
    csv.field_size_limit(MAX_LINE_BYTES)
    source = _Record(lines)
    records = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        number = source.number
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            _, problem = source.taken[0]
            yield number, BadRow(problem) if problem else _broken(error)
            source.end(1)
            continue
        if problem := source.problem:
            yield number, BadRow(problem)
        elif record:
            yield number, record
        source.end(len(source.taken))


def _broken(error: csv.Error) -> BadRow:
    if "new-line character" in str(error):
        return BadRow(f"a carriage return without a line feed, outside quotes. {_LINE_ENDS}")
    mend = "Double the quotes inside a quoted field and close it, or write JSON Lines."
    return BadRow(f"{error}. {mend}", "in the row that begins on line")


def _read_csv(lines: _Lines, path: Path, columns: Sequence[str] | None) -> RowsAndProblems:
    first = list(itertools.islice(lines, 1))
    # Excel writes semicolons where numbers have a decimal comma.
    delimiter = next((known for known in ",;\t" if first and known in first[0][0]), ",")
    yield from _read_delimited(itertools.chain(first, lines), path, columns, delimiter)


def _read_tsv(lines: _Lines, path: Path, columns: Sequence[str] | None) -> RowsAndProblems:
    yield from _read_delimited(lines, path, columns, "\t")


def _read_delimited(lines: _Lines, path: Path, columns: Sequence[str] | None, delimiter: str) -> RowsAndProblems:
    records = _records(lines, delimiter)
    number, header = next(records, (1, []))
    if isinstance(header, BadRow):
        raise UserError(f"{path}, {header.place} {number}: {header.reason}")
    if not header:
        return
    wanted = header if columns is None else columns
    _require(path, wanted, header)
    places = {column: header.index(column) for column in wanted}
    for number, record in records:
        if isinstance(record, BadRow):
            yield number, record
        elif len(record) == len(header):
            yield number, {column: record[place] for column, place in places.items()}
        else:
            counts = f"{len(record)} fields where the header has {len(header)}"
            yield number, BadRow(f"{counts}. Put quotes around fields that hold a delimiter or a line break.")


_READERS: dict[str, Callable[..., RowsAndProblems]] = {".jsonl": _read_jsonl, ".csv": _read_csv, ".tsv": _read_tsv}


def _read_parquet(path: Path, columns: Sequence[str] | None) -> RowsAndProblems:
    number = 1
    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:
            wanted = table.schema_arrow.names if columns is None else columns
            _require(path, wanted, table.schema_arrow.names)
            for batch in table.iter_batches(_BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
                for row in _rows_of(batch):
                    yield number, row
                    number += 1
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise UserError(f"{path}: not a whole Parquet file: {error}. Copy or write it again.") from error


def _rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | BadRow]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield BadRow("text that is not UTF-8. Write the file again from texts that are.", "row")


def _require(path: Path, columns: Sequence[str], found: list[str]) -> None:
    for column in columns:
        if found.count(column) != 1:
            problem = "no column" if column not in found else "more than one column"
            raise UserError(
                f"{path}: {problem} {column!r}. There are: {', '.join(map(repr, found))}. "
                "Mend the name where it was given, or the file."
            )
