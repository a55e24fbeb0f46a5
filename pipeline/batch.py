"""Summaries of whole folders: one output row per input row, in order, whatever is wrong with some; resumable by chunks.

A folder `documents/` of JSONL, CSV, TSV or Parquet files (on the disk or in an S3 store) becomes a folder of the same
names, each with its chunks as Parquet files: `row` (its number in the file), `summary`, `score`, `truncated`,
`rejected` (why there is no summary) and what drift is told by. Rejected rows stand once more, with their reasons, in
`rejected.jsonl`, and `batch.json` says which version, and which files were left out.
"""

import hashlib
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.folders import Folder, open_folder
from pipeline.profile import FIELDS, profile_columns, read_columns
from seq2sum.data.sources.fields import describe_kind
from seq2sum.data.sources.rows import BadRow, format_of, rows_and_problems
from seq2sum.data.text_lines import lines_and_problems
from seq2sum.drift import Profile
from seq2sum.errors import UserError
from seq2sum.service.requests import check_document
from seq2sum.summarize import Summarizer

IDENTITY = "batch.json"
REJECTED = "rejected.jsonl"
_KINDS = ".jsonl, .csv and .tsv, also packed as .gz, .xz or .zst, and .parquet"
# Documents of a chunk whose contents are kept for telling drift.
CONTENTS_A_CHUNK = 100
_CHUNK = re.compile(r"/\d{9}\.parquet$")
# In a chunk's metadata: of its input rows, which may change while the file keeps its name.
_DIGEST = b"seq2sum.rows"
_SCHEMA = pa.schema(
    [
        ("row", pa.int64()), ("summary", pa.string()), ("score", pa.float64()), ("truncated", pa.bool_()),
        ("rejected", pa.string()), *FIELDS,
    ]
)  # fmt: skip


class Row(NamedTuple):
    """A row of a file, by the line on which it begins (in Parquet the row): the document, or why it is none."""

    number: int
    document: str | None
    rejected: str | None


class Work(NamedTuple):
    """What a batch did: rows in all, rejected ones, those that were there already, files of other kinds, the time."""

    num_rows: int
    num_rejected: int
    num_skipped: int
    left_out: list[str]
    wall_seconds: float


def summarize_folder(
    source: str,
    target: str,
    column: str,
    version: str,
    summarizer: Summarizer,
    chunk_rows: int,
    on_chunk: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Work:
    """Summarizes ``column`` of all rows of all files in ``source``; chunks that are there, of the same rows, are kept.

    ``source`` and ``target``: see :func:`pipeline.folders.open_folder`. Files of other kinds are left out: ``warn`` is
    told, and the record in ``target`` names them.
    ``on_chunk`` gets the number of rows so far. Raises UserError where there is nothing to read, for a ``target`` of
    another model ``version``, chunk size or column, whose chunks would not fit, and, after all that can be read is
    summarized, for files that can't be read on.
    """
    began = time.monotonic()
    assert summarizer.search is not None
    inputs, outputs = open_folder(source), open_folder(target)
    if _place(target).is_relative_to(_place(source)):
        raise UserError(f"{outputs}: lies in {inputs}, whose files the next batch would read. Name another folder.")
    names, left_out = _names_in(inputs)
    if left_out:
        warn(f"{source}: left out {', '.join(left_out)}: {_KINDS} are read")
    _claim(outputs, {"version": version, "column": column, "chunk_rows": chunk_rows}, left_out)
    there = outputs.names()
    num_rows = num_skipped = 0
    rejected = []
    damaged: dict[str, str] = {}
    made = set[str]()
    for name in names:
        with inputs.fetched(name) as file:
            for start, rows in _chunks(_readable(document_rows(file, column), name, damaged), chunk_rows):
                chunk = f"{name}/{start:09d}.parquet"
                made.add(chunk)
                if chunk in there and _digest_in(outputs, chunk) == _digest_of(rows):
                    num_skipped += len(rows)
                else:
                    _write(outputs, chunk, rows, summarizer)
                num_rows += len(rows)
                rejected += [{"file": name, "row": row.number, "reason": row.rejected} for row in rows if row.rejected]
                on_chunk(num_rows)
            if name in damaged:
                # A file of a store is read from a copy, whose path says nothing to anyone.
                damaged[name] = damaged[name].replace(str(file), f"{inputs}/{name}")
    # A file may be gone, or have been longer once.
    for chunk in there:
        if chunk not in made and _CHUNK.search(chunk) and _CHUNK.sub("", chunk) not in damaged:
            outputs.remove(chunk)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected)
    with outputs.written(REJECTED) as beside:
        beside.write_text(lines, encoding="utf-8")
    if damaged:
        problems = "".join(f"\n{problem}" for problem in damaged.values())
        raise UserError(
            f"{len(damaged)} of {len(names)} files can't be read to their end; the others are summarized in {outputs}. "
            f"Mend or remove these, then run again:{problems}"
        )
    return Work(num_rows, len(rejected), num_skipped, left_out, time.monotonic() - began)


def _place(address: str) -> PurePosixPath:
    return PurePosixPath(address if "://" in address else os.path.realpath(address))


def _readable(rows: Iterator[Row], name: str, damaged: dict[str, str]) -> Iterator[Row]:
    """The rows up to where the file can't be read on, which is noted: it must not keep the files behind it waiting."""
    try:
        yield from rows
    except UserError as error:
        damaged[name] = str(error)


def _names_in(source: Folder) -> tuple[list[str], list[str]]:
    """The files to summarize, and the others. Raises UserError if there are none of the former."""
    there = source.names()
    names, left_out = [[name for name in there if bool(format_of(Path(name))) == is_read] for is_read in (True, False)]
    if not names:
        others = f", only {', '.join(left_out)}" if left_out else ""
        raise UserError(f"{source}: holds no files to summarize ({_KINDS}){others}.")
    return names, left_out


def _claim(target: Folder, identity: dict[str, Any], left_out: list[str]) -> None:
    if target.exists(IDENTITY):
        before = _record_in(target)
        if any(before.get(key) != value for key, value in identity.items()):
            raise UserError(
                f"{target}: holds summaries made otherwise ({before}, now {identity}). Name another folder."
            )
    with target.written(IDENTITY) as beside:
        beside.write_text(json.dumps(identity | {"left_out": left_out}, indent=2) + "\n", encoding="utf-8")


def _record_in(target: Folder) -> dict[str, Any]:
    with target.open(IDENTITY) as stream:
        try:
            record = json.load(stream)
        except ValueError:
            record = None
    if not isinstance(record, dict) or "version" not in record:
        raise UserError(f"{target}: its {IDENTITY} is no record of a batch. Name another folder, or remove that file.")
    return record


def version_of(address: str) -> str | None:
    """The number of the version that began the batch in that folder; None where none was begun.

    Raises UserError where something else has the record's name.
    """
    target = open_folder(address)
    return str(_record_in(target)["version"]) if target.exists(IDENTITY) else None


def document_rows(path: Path, column: str) -> Iterator[Row]:
    """The rows of a file, one that can't be read with the reason.

    Raises UserError where a table is damaged as a whole or lacks the column.
    """
    if format_of(path) == ".jsonl":
        yield from _json_rows(path, column)
    else:
        for number, row in rows_and_problems(path, [column]):
            yield Row(number, None, row.reason) if isinstance(row, BadRow) else _checked(number, row[column])


def _json_rows(path: Path, column: str) -> Iterator[Row]:
    """Raises UserError at the end if there are rows and none of them has the ``column``."""
    others, found = set[str](), False
    for number, (line, problem) in enumerate(lines_and_problems(path), start=1):
        if problem:
            yield Row(number, None, problem)
        elif line.strip():
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(number, None, f"not JSON: {error}")
                continue
            if not isinstance(fields, dict):
                yield Row(number, None, f"{describe_kind(fields)} where a JSON object of columns is expected.")
                continue
            found |= column in fields
            others.update(fields)
            yield _checked(number, fields.get(column))
    if others and not found:
        raise UserError(f"{path}: no column {column!r}. There are: {', '.join(map(repr, sorted(others)))}.")


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
    return hashlib.sha256(json.dumps([_SCHEMA.names, rows]).encode()).hexdigest().encode()


def _digest_in(target: Folder, chunk: str) -> bytes:
    """Of the rows that a chunk was made of."""
    with target.open(chunk) as stream:
        digest: bytes = pq.read_schema(stream).metadata[_DIGEST]
        return digest


def _write(target: Folder, chunk: str, rows: Sequence[Row], summarizer: Summarizer) -> None:
    assert summarizer.search is not None
    documents = [row.document for row in rows if row.document is not None]
    summaries = summarizer.summarize(documents, summarizer.search)
    sampled = range(min(len(documents), CONTENTS_A_CHUNK))
    profile = profile_columns(documents, [summary.text for summary in summaries], summarizer, sampled)
    made = iter(range(len(documents)))
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for row in rows:
        at = None if row.document is None else next(made)
        columns["row"].append(row.number)
        columns["rejected"].append(row.rejected)
        for name, field in (("summary", "text"), ("score", "score"), ("truncated", "truncated")):
            columns[name].append(None if at is None else getattr(summaries[at], field))
        for name, values in profile.items():
            columns[name].append(None if at is None else values[at])
    with target.written(chunk) as beside:
        pq.write_table(pa.table(columns, schema=_SCHEMA.with_metadata({_DIGEST: _digest_of(rows)})), beside)


def read_batch(address: str) -> tuple[str, Profile]:
    """The version that made the summaries in a batch's folder, and their profile. Raises UserError for no batch."""
    version, target = version_of(address), open_folder(address)
    if version is None:
        raise UserError(f"{target}: holds no batch of summaries. Run `summarize` first.")
    columns = [*(name for name, _ in FIELDS), "rejected"]
    # Files may have held no rows.
    tables = [_SCHEMA.empty_table().select(columns)]
    for chunk in (name for name in target.names() if name.endswith(".parquet")):
        with target.open(chunk) as stream:
            tables.append(pq.read_table(stream, columns=columns))
    table = pa.concat_tables(tables)
    return version, read_columns(table.filter(pa.compute.is_null(table["rejected"])))
