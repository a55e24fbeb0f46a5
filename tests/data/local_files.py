"""Writing little corpora as local files, and reading them as a source."""

import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from seq2sum.data.pairs import Pair
from seq2sum.data.sources.files import FilePairs
from seq2sum.data_config import FilesSource

ROWS = [
    {"text": "A first text,\nof two lines.", "title": "First"},
    {"text": 'Second "text".', "title": "Zweiter Täxt"},
    {"text": "Third\ttext", "title": ""},
]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def as_jsonl(table: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table).encode()


def write_csv(path: Path, table: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(table[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(table)
    return path.read_bytes()


def source_of(paths: dict[str, list[str]] | str, **columns: str | None) -> FilesSource:
    named = {"document": "text", "summary": "title", "id": None, "group": None} | columns
    return FilesSource.model_validate(
        {"kind": "files", "paths": {"all": [paths]} if isinstance(paths, str) else paths, **named}
    )


def read(paths: dict[str, list[str]] | str, **columns: str | None) -> list[Pair]:
    source = FilePairs(source_of(paths, **columns))
    return [pair for split in source.splits for pair in source.pairs(split)]


def texts(pairs: list[Pair]) -> list[dict[str, str]]:
    return [{"text": pair.document, "title": pair.summary} for pair in pairs]
