"""Documents that a person hands to a command: files, lines of files, rows of tables, standard input."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

from seq2sum.data.sources.fields import describe_kind
from seq2sum.errors import UserError


class Document(NamedTuple):
    """A text to summarize and where it stands: file, or file:line."""

    source: str
    text: str


def cut_line(document: Document) -> str:
    """Tells of a document that a model did not read to its end."""
    return f"{document.source}: longer than the model reads; its end was left out"


def read_column(name: str, column: str) -> list[Document]:
    """The texts in ``column`` of a JSONL, CSV, TSV or Parquet file, also a compressed one, a row each.

    Raises UserError naming the file, and the row where there is one, that can't be read or has no text.
    """
    # Arrow takes long to import, and texts don't want it.
    from seq2sum.data.sources.fields import as_text
    from seq2sum.data.sources.rows import read_rows

    if name == "-":
        raise UserError(f"--documents {column}: standard input has no columns. Name the file that has them.")
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{name}: no such file.")
    documents = []
    for number, row in read_rows(path, [column]):
        source = f"{name}:{number}"
        text = as_text(row[column], f"{source}: {column!r}")
        if not text.strip():
            raise UserError(f"{source}: {column!r} is empty. Fill it or remove the row.")
        documents.append(Document(source, text))
    return documents


def read_documents(name: str, lines: bool) -> list[Document]:
    """The documents of a file, or of standard input if ``name`` is "-".

    Raises UserError naming the file, and the line where there is one, that can't be read or has no text.
    """
    if not lines and _is_table(name):
        raise UserError(f"{name}: a table, not a text. Name the column of its documents with --documents.")
    text = _read_text(name)
    if not text.strip():
        raise UserError(f"{'standard input' if name == '-' else name}: empty.")
    if name.endswith(".jsonl"):
        numbered = enumerate(text.split("\n"), start=1)
        documents = [
            Document(f"{name}:{n}", _jsonl_document(f"{name}:{n}", line)) for n, line in numbered if line.strip()
        ]
    elif lines:
        numbered = enumerate(text.removesuffix("\n").split("\n"), start=1)
        documents = [Document(f"{name}:{n}", line) for n, line in numbered]
    else:
        documents = [Document(name, text)]
    for document in documents:
        if not document.text.strip():
            raise UserError(f"{document.source}: empty. Remove it, or put its text there.")
    return documents


def _is_table(name: str) -> bool:
    """Whether only a reader of columns reads the file, by its suffixes. Plain JSON Lines are read as text, too."""
    text_formats = (".csv", ".tsv", ".jsonl")
    packed = tuple(kind + packing for kind in text_formats for packing in (".gz", ".xz", ".zst"))
    return name.lower().endswith((".csv", ".tsv", ".parquet", *packed))


def _read_text(name: str) -> str:
    if name == "-" and sys.stdin.isatty():
        print("Reading a document from the terminal; end it with Ctrl-D.", file=sys.stderr)
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}.") from error
    if b"\0" in content:
        from seq2sum.data.text_lines import utf_16_problem  # its Arrow takes long to import

        raise UserError(f"{name}: {utf_16_problem(content) or 'holds null bytes, so it is no text file.'}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}:{line}: byte {error.start} is not UTF-8. Convert the file, with iconv say.") from error


def _jsonl_document(source: str, line: str) -> str:
    try:
        document = json.loads(line)["document"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f'{source}: expected a JSON object with a field "document". If its text stands in another, name that with '
            "--documents."
        ) from error
    if not isinstance(document, str):
        raise UserError(f'{source}: the field "document" is {describe_kind(document)}, not text.')
    return document
