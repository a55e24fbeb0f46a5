"""Documents that a person hands to a command: files, lines of files, JSON Lines, standard input."""

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


def read_documents(name: str, lines: bool) -> list[Document]:
    """The documents of a file, or of standard input if ``name`` is "-".

    Raises UserError naming the file, and the line where there is one, that can't be read or has no text.
    """
    if not lines and name.endswith((".csv", ".tsv", ".parquet")):
        raise UserError(
            f'{name}: a table, not a text. Give JSON Lines with a field "document", or a document a line with --lines; '
            "`seq2sum evaluate` and the page of `make demo` read tables."
        )
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


def _read_text(name: str) -> str:
    if name == "-" and sys.stdin.isatty():
        print("Reading a document from the terminal; end it with Ctrl-D.", file=sys.stderr)
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}.") from error
    if b"\0" in content:
        raise UserError(f"{name}: holds null bytes, so it is no text file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}:{line}: byte {error.start} is not UTF-8. Convert the file, with iconv say.") from error


def _jsonl_document(source: str, line: str) -> str:
    try:
        document = json.loads(line)["document"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f'{source}: expected a JSON object with a field "document".') from error
    if not isinstance(document, str):
        raise UserError(f'{source}: the field "document" is {describe_kind(document)}, not text.')
    return document
