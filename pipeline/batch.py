"""Summaries of whole folders: one output row per input row, in order, whatever is wrong with some; resumable by chunks.

A folder `documents/` of JSONL, CSV, TSV or Parquet files becomes a folder of the same names, each with its chunks as
Parquet files: `row` (its number in the file), `summary`, `score`, `truncated`, `rejected` (why there is no summary) and
the numbers that drift is told by. Rejected rows stand once more, with their reasons, in `rejected.jsonl`.
"""

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.data.sources.rows import read_rows
from seq2sum.data.text_lines import lines_of
from seq2sum.drift import MEASURES, measure_pairs
from seq2sum.errors import UserError
from seq2sum.files import replaced_file, write_json, write_text
from seq2sum.service.requests import check_document
from seq2sum.summarize import Summarizer

IDENTITY = "batch.json"
REJECTED = "rejected.jsonl"
# In a chunk's metadata: of its input rows, which may change while the file keeps its name.
_DIGEST = b"seq2sum.rows"
_SCHEMA = pa.schema(
    [
        ("row", pa.int64()), ("summary", pa.string()), ("score", pa.float64()), ("truncated", pa.bool_()),
        ("rejected", pa.string()), *((name, pa.float64()) for name in MEASURES),
    ]
)  # fmt: skip


class Row(NamedTuple):
    """A row of a file: the document, or why it is none."""

    number: int
    document: str | None
    rejected: str | None


class Work(NamedTuple):
    """What a batch did: rows in all, rejected ones, those that were there already, and for how long it ran."""

    num_rows: int
    num_rejected: int
    num_skipped: int
    wall_seconds: float


def summarize_folder(
    source: Path,
    target: Path,
    column: str,
    version: str,
    summarizer: Summarizer,
    chunk_rows: int,
    on_chunk: Callable[[int], None] = lambda _: None,
) -> Work:
    """Summarizes ``column`` of all rows of all files; chunks that are there already, of the same rows, are kept.

    ``on_chunk`` gets the number of rows so far. Raises UserError for a file that can't be read on, and for a ``target``
    of another model ``version``, chunk size or column, whose chunks would not fit.
    """
    began = time.monotonic()
    assert summarizer.search is not None
    _claim(target, {"version": version, "column": column, "chunk_rows": chunk_rows})
    files = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UserError(f"{source}: holds no files to summarize.")
    num_rows = num_skipped = 0
    rejected = []
    for file in files:
        name = file.relative_to(source)
        made = set[Path]()
        for start, rows in _chunks(_rows(file, column), chunk_rows):
            path = target / name / f"{start:09d}.parquet"
            made.add(path)
            if _digest_in(path) == _digest_of(rows):
                num_skipped += len(rows)
            else:
                _write(path, rows, summarizer)
            num_rows += len(rows)
            rejected += [
                {"file": name.as_posix(), "row": row.number, "reason": row.rejected} for row in rows if row.rejected
            ]
            on_chunk(num_rows)
        # The file may have been longer once.
        for path in set((target / name).glob("*.parquet")) - made:
            path.unlink()
    write_text(target / REJECTED, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected))
    return Work(num_rows, len(rejected), num_skipped, time.monotonic() - began)


def _claim(target: Path, identity: dict[str, Any]) -> None:
    claimed = target / IDENTITY
    if claimed.exists() and (before := json.loads(claimed.read_bytes())) != identity:
        raise UserError(f"{target}: holds summaries made otherwise ({before}, now {identity}). Name another folder.")
    write_json(claimed, identity)


def _rows(path: Path, column: str) -> Iterator[Row]:
    """The rows of a file. A JSON line that can't be read is a bad row; a damaged table is an error."""
    if ".jsonl" in path.suffixes:
        for number, line in enumerate(lines_of(path), start=1):
            if line.strip():
                try:
                    fields = json.loads(line)
                    yield _checked(number, fields.get(column) if isinstance(fields, dict) else None)
                except (ValueError, RecursionError) as error:
                    yield Row(number, None, f"not JSON: {error}")
    else:
        for number, row in read_rows(path, [column]):
            yield _checked(number, row[column])


def _checked(number: int, document: object) -> Row:
    try:
        return Row(number, check_document(document), None)
    except UserError as error:
        return Row(number, None, str(error))


def _chunks(rows: Iterator[Row], size: int) -> Iterator[tuple[int, list[Row]]]:
    for index in itertools.count():
        chunk = list(itertools.islice(rows, size))
        if not chunk:
            return
        yield index * size, chunk


def _digest_of(rows: Sequence[Row]) -> bytes:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest().encode()


def _digest_in(chunk: Path) -> bytes | None:
    """Of the rows that a chunk was made of, if it is there."""
    return pq.read_schema(chunk).metadata[_DIGEST] if chunk.exists() else None


def _write(path: Path, rows: Sequence[Row], summarizer: Summarizer) -> None:
    assert summarizer.search is not None
    documents = [row.document for row in rows if row.document is not None]
    summaries = summarizer.summarize(documents, summarizer.search)
    measures = measure_pairs(documents, [summary.text for summary in summaries], summarizer.tokenizer)
    made = iter(range(len(documents)))
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for row in rows:
        at = None if row.document is None else next(made)
        columns["row"].append(row.number)
        columns["rejected"].append(row.rejected)
        for name, field in (("summary", "text"), ("score", "score"), ("truncated", "truncated")):
            columns[name].append(None if at is None else getattr(summaries[at], field))
        for name in MEASURES:
            columns[name].append(None if at is None else float(measures[name][at]))
    with replaced_file(path) as beside:
        pq.write_table(pa.table(columns, schema=_SCHEMA.with_metadata({_DIGEST: _digest_of(rows)})), beside)


def read_measures(target: Path) -> dict[str, np.ndarray]:
    """The measures of all summaries in a batch's folder. Raises UserError if there are none."""
    parts = sorted(path for path in target.rglob("*.parquet") if path.is_file())
    if not parts:
        raise UserError(f"{target}: holds no batch of summaries. Run `summarize` first.")
    table = pa.concat_tables(pq.read_table(path, columns=[*MEASURES, "rejected"]) for path in parts)
    table = table.filter(pa.compute.is_null(table["rejected"]))
    return {name: table[name].to_numpy() for name in MEASURES}
