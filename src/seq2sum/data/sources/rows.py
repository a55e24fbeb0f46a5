"""Rows of local files: JSON Lines, CSV, TSV and Parquet, the text formats also compressed.

Every reader streams. It yields the number of each row, by which a person can find it, and the row's fields:
for JSON Lines and for CSV and TSV the line on which the row begins, for Parquet the row; all count from 1.

Bad input raises UserError with the file, the line or row, and the mend.
"""

import csv
import gzip
import io
import itertools
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.data.sources.fields import describe_kind
from seq2sum.errors import UserError

Rows = Iterator[tuple[int, dict[str, Any]]]

# A longer line is a file of another kind (one JSON array, say) or an open quote: reading on would fill the memory.
_MAX_LINE_BYTES = 64 * 2**20
_BATCH_ROWS = 256


def read_rows(path: Path, columns: Sequence[str]) -> Rows:
    """Yields the number and the ``columns`` of each row of a file, by the format that its suffixes name.

    Raises UserError if the suffix is unknown, the file empty or damaged, or a column is not there.
    A column that a JSON object lacks is an error in a file's first row, null in a later one: writers drop nulls.
    """
    reader, compression = _format_of(path)
    rows = _read_parquet(path, columns) if reader is None else reader(_lines(path, compression), path, columns)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: holds no rows. Remove it from ingest.source.paths in params.yaml, or write it again.")
    return itertools.chain([first], rows)


def read_lines(path: Path) -> Iterator[str]:
    """The decoded lines of a text file, plain or compressed, with their ends. Raises UserError as :func:`read_rows`."""
    return _lines(path, _format_of(path)[1])


def _format_of(path: Path) -> tuple[Callable[..., Rows] | None, str]:
    """The reader of lines (None: Parquet) and the suffix of the compression, or ``""``."""
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".tsv": _read_tsv}
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".xz", ".zst") else ""
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".parquet" and not compression:
        return None, ""
    if suffix not in readers:
        raise UserError(
            f"{path}: unknown suffix. Known are .jsonl, .csv and .tsv, also with .gz, .xz or .zst after it, and "
            ".parquet. Rename the file after what it holds, or convert it."
        )
    return readers[suffix], compression


def _open(path: Path, compression: str) -> IO[bytes]:
    if compression == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if compression == ".xz":
        return lzma.open(path, "rb")
    if compression == ".zst":  # Arrow's reader, because it notices a stream that is cut short
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def _lines(path: Path, compression: str) -> Iterator[str]:
    """The decoded lines of a file, with their ends, without a byte order mark."""
    number = 0
    with _open(path, compression) as stream:
        while True:
            number += 1
            try:
                line = stream.readline(_MAX_LINE_BYTES + 1)
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
                if isinstance(error, OSError) and error.filename:
                    raise
                raise UserError(
                    f"{path}: cannot be read on from line {number}: {error}. "
                    "The file is damaged or cut short: copy or pack it again."
                ) from error
            if not line:
                return
            if len(line) > _MAX_LINE_BYTES:
                raise UserError(
                    f"{path}, line {number}: longer than {_MAX_LINE_BYTES >> 20} MiB. "
                    "Write one row a line (a JSON array is not JSON Lines)."
                )
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}, line {number}: not UTF-8 (byte {error.start + 1}: 0x{line[error.start]:02x}). "
                    "Convert the file, for example with iconv."
                ) from error
            yield text


def _read_jsonl(lines: Iterator[str], path: Path, columns: Sequence[str]) -> Rows:
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
            _require(path, columns, list(row))
            is_first = False
        yield number, {column: row.get(column) for column in columns}


def _read_csv(lines: Iterator[str], path: Path, columns: Sequence[str], delimiter: str = ",") -> Rows:
    """RFC 4180: fields with delimiters, quotes or line breaks stand in quotes, quotes in them are doubled."""
    csv.field_size_limit(_MAX_LINE_BYTES)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 1
    header: list[str] | None = None
    places: dict[str, int] = {}
    try:
        for record in records:
            if header is None and record:
                header = record
                _require(path, columns, header)
                places = {column: header.index(column) for column in columns}
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


def _read_tsv(lines: Iterator[str], path: Path, columns: Sequence[str]) -> Rows:
    return _read_csv(lines, path, columns, delimiter="\t")


def _read_parquet(path: Path, columns: Sequence[str]) -> Rows:
    number = 1
    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:
            _require(path, columns, table.schema_arrow.names)
            for batch in table.iter_batches(_BATCH_ROWS, columns=list(dict.fromkeys(columns))):
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
                "Mend the column names under ingest.source in params.yaml."
            )
