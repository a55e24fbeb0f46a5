"""The columns of the corpus in params.yaml, which other files of its owner have as well."""

from pathlib import Path
from typing import NamedTuple

from pipeline import paths
from seq2sum.data.columns import Columns, find_columns
from seq2sum.data.sources.rows import column_names
from seq2sum.data_config import DebianSource
from seq2sum.errors import UserError
from seq2sum.params_file import load_params

HOW = f"as in {paths.PARAMS}"


class _Own(NamedTuple):
    document: str
    summary: str


def own_columns(path: Path, document: str | None, summary: str | None) -> Columns:
    """The columns as given, those not given as under `ingest.source` where the file has both, else as found.

    Raises UserError like :func:`seq2sum.data.columns.find_columns`.
    """
    own = None if document is not None and summary is not None else _own()
    if own is not None:
        columns = Columns(document or own.document, summary or own.summary, HOW)
        if columns.document != columns.summary and {columns.document, columns.summary} <= set(column_names(path)):
            return columns
    return find_columns(path, document, summary)


def own_document_column(path: Path) -> str | None:
    """The column of the documents under `ingest.source`, if the file has it. Raises UserError if it can't be read."""
    own = _own()
    return own.document if own is not None and own.document in column_names(path) else None


def _own() -> _Own | None:
    """None where the params can't be read: commands that need them tell why."""
    try:
        source = load_params(paths.PARAMS).ingest.source
    except UserError:
        return None
    return None if isinstance(source, DebianSource) else _Own(source.document, source.summary)
