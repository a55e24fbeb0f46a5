"""Pairs from local files of JSON Lines, CSV, TSV or Parquet."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2sum.data.pairs import Pair, Split
from seq2sum.data.scratch import scratch_database
from seq2sum.data.sources.base import DataCard, Fetched
from seq2sum.data.sources.fields import as_key, as_text
from seq2sum.data.sources.located import locate_files
from seq2sum.data.sources.rows import read_rows
from seq2sum.data_config import FilesSource
from seq2sum.errors import UserError


class FilePairs:
    """The rows of the files that the params' globs match.

    A pair's id is what the id column holds or, without one, the file's path below the folder that all the files
    share, and the row's number: stable while the files keep their names and rows. A null id or group falls back to
    that, and to the id. An id that occurs twice is an error, for which all ids wait in a temporary file.
    """

    def __init__(self, source: FilesSource) -> None:
        """Locates the files. Raises UserError like :func:`locate_files`."""
        self._source = source
        self._files = locate_files(source)
        self._shared_folder = os.path.commonpath([os.path.dirname(os.path.abspath(file.path)) for file in self._files])
        self._places = scratch_database("CREATE TABLE place_of (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self.card = DataCard(
            origin="local files",
            licence="The user's own data: as its owner says.",
            release="",
            fetched=[Fetched(file.path, file.num_bytes, file.sha256) for file in self._files],
        )

    @property
    def splits(self) -> tuple[Split | None, ...]:
        """One for each list of globs; ``(None,)`` for `all`."""
        return tuple(None if split == "all" else split for split in self._source.paths)

    def pairs(self, split: Split | None) -> Iterator[Pair]:
        """Yields the rows of the split's files. Null fields come as empty text."""
        source = self._source
        columns = [column for column in (source.document, source.summary, source.id, source.group) if column]
        for file in self._files:
            if file.split == (split or "all"):
                for number, row in read_rows(Path(file.path), columns):
                    yield self._as_pair(Path(file.path), number, row, split)

    def _as_pair(self, path: Path, number: int, row: dict[str, Any], split: Split | None) -> Pair:
        source = self._source
        where = f"{path}:{number}"
        place = f"{Path(os.path.relpath(path, self._shared_folder)).as_posix()}:{number}"
        pair_id = as_key(row[source.id], f"{where}: {source.id!r}") if source.id else ""
        pair_id = pair_id or place
        group = as_key(row[source.group], f"{where}: {source.group!r}") if source.group else ""
        if source.id:
            self._places.execute("INSERT OR IGNORE INTO place_of VALUES (?, ?)", (pair_id, place))
            [(earlier,)] = self._places.execute("SELECT place FROM place_of WHERE id = ?", (pair_id,))
            if earlier != place:
                raise UserError(
                    f"{where}: {source.id!r} is {pair_id!r}, as in {earlier}. Make the ids unique, "
                    "or set ingest.source.id to null in params.yaml; a column of related rows belongs under group."
                )
        return Pair(
            id=pair_id,
            group=group or pair_id,
            document=as_text(row[source.document], f"{where}: {source.document!r}"),
            summary=as_text(row[source.summary], f"{where}: {source.summary!r}"),
            split=split,
        )
