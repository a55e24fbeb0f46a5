"""Documents that a person hands to a command: files, lines of files, rows of tables, standard input."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seq2sum.data.sources.fields import describe_kind
from seq2sum.errors import UserError

_MOST_TOLD = 10  # lines without text


class Document(NamedTuple):
    """A text to summarize and where it stands: file, or file:line."""

    source: str
    text: str


def cut_line(document: Document) -> str:
    """Tells of a document that a model did not read to its end."""
    return f"{document.source}: longer than the model reads; its end was left out"


def read_column(name: str, column: str) -> list[Document]:
    """The texts in ``column`` of a JSONL, CSV, TSV or Parquet file, also a compressed one, a row each.

    Raises UserError naming the file, and the row where there is one, that can't be read, or the rows without text.
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
        documents.append(Document(source, text))
    if empty := _empty(documents):
        raise UserError(f"{empty}: {column!r} is empty. Fill it or remove the row.")
    return documents


def read_documents(name: str, lines: bool) -> list[Document]:
    """The documents of a file, or of standard input if ``name`` is "-".

    Raises UserError naming the file, and the line where there is one, that can't be read, or the lines without text.
    """
    if not lines and _is_table(name):
        if documents := _read_own_column(name):
            return documents
        raise UserError(f"{name}: a table, not a text. Name the column of its documents with --documents.")
    text = _read_text(name)
    if not text.strip():
        raise UserError(f"{'standard input' if name == '-' else name}: empty.")
    if name.endswith(".jsonl"):
        numbered = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
        if '"document"' not in numbered[0][1] and (documents := _read_own_column(name)):
            return documents
        documents = [Document(f"{name}:{n}", _jsonl_document(f"{name}:{n}", line)) for n, line in numbered]
    elif lines:
        texts = text.removesuffix("\n").split("\n")
        documents = [Document(f"{name}:{n}", line) for n, line in enumerate(texts, start=1)]
    else:
        documents = [Document(name, text)]
    if empty := _empty(documents):
        raise UserError(f"{empty}: empty. Remove it, or put its text there.")
    return documents


def _read_own_column(name: str) -> list[Document] | None:
    """The texts in the column that params.yaml names for documents, which is told; None if the file has none such."""
    from pipeline.own_columns import HOW, own_document_column

    column = own_document_column(Path(name)) if Path(name).is_file() else None
    if column is None:
        return None
    print(f"{name}: documents from {column!r} ({HOW})", file=sys.stderr)
    return read_column(name, column)


def _empty(documents: Sequence[Document]) -> str:
    """Where those of one file stand that have no text, all of them, so that it can be mended at once."""
    first, *others = [document.source for document in documents if not document.text.strip()] or [""]
    if not others:
        return first
    lines = [source.rpartition(":")[2] for source in others[: _MOST_TOLD - 1]]
    more = len(others) - len(lines)
    return f"{', '.join([first, *lines])}{f' and {more:,} more' if more else ''} ({len(others) + 1:,} in all)"


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
