"""Which columns of a person's files hold the documents and their summaries, where that is not said."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seq2sum.data.sources.rows import column_names, read_rows
from seq2sum.errors import UserError

# What such columns are called in published corpora, the surest names first.
SUMMARY_NAMES = (
    "summary",
    "summaries",
    "highlights",
    "headline",
    "title",
    "subject",
    "subject_line",
    "abstract",
    "tldr",
)
DOCUMENT_NAMES = ("document", "documents", "article", "text", "body", "email_body", "description", "content", "message")
_SAMPLE_ROWS = 200


class Columns(NamedTuple):
    """The two columns, and how they were found; empty where both were given."""

    document: str
    summary: str
    how: str


def find_columns(path: Path, document: str | None, summary: str | None) -> Columns:
    """The columns as given, or else found in the file at ``path``: by their names, or as its only two of text.

    Raises UserError if both are the same, naming the columns that there are where they can't be told, and like
    :func:`seq2sum.data.sources.rows.column_names`.
    """
    if document is not None and document == summary:
        raise UserError(
            f"{document!r} is named for the documents and for their summaries. Name two columns, with --documents and "
            "--summaries."
        )
    if document is not None and summary is not None:
        return Columns(document, summary, "")
    names = column_names(path)
    by_name = {name.lower(): name for name in reversed(names)}
    found_summary = summary or next((by_name[known] for known in SUMMARY_NAMES if known in by_name), None)
    others = {key: name for key, name in by_name.items() if name != found_summary}
    found_document = document or next((others[known] for known in DOCUMENT_NAMES if known in others), None)
    if found_document and found_summary and found_document != found_summary:
        return Columns(found_document, found_summary, "by their names")
    if len(names) == 2 and document is None and summary is None:
        shorter, longer = _by_length(path, names)
        return Columns(longer, shorter, "as the only two, by their lengths")
    raise UserError(
        f"{path}: can't tell which columns hold document and summary. There are: {', '.join(map(repr, names))}. "
        "Name them with --documents and --summaries."
    )


def _by_length(path: Path, names: Sequence[str]) -> list[str]:
    """The columns by the characters that they hold in the first rows."""
    totals = dict.fromkeys(names, 0)
    for _, (_, row) in zip(range(_SAMPLE_ROWS), read_rows(path, names), strict=False):
        for name in names:
            totals[name] += len(str(row[name] or ""))
    return sorted(totals, key=totals.__getitem__)
