"""What people prefer: votes between two models' summaries, kept in a small SQLite file."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Choice = Literal["champion", "challenger", "both", "neither"]

_TABLE = """
CREATE TABLE IF NOT EXISTS votes (
    id INTEGER PRIMARY KEY,
    voted_at TEXT NOT NULL,
    document TEXT NOT NULL,
    champion TEXT NOT NULL,
    challenger TEXT NOT NULL,
    champion_model TEXT NOT NULL,
    challenger_model TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('champion', 'challenger', 'both', 'neither'))
)
"""


@dataclass(frozen=True)
class Vote:
    """Two summaries of a document, the models (SHA-256 of their weights) that wrote them, and which one is better."""

    document: str
    champion: str
    challenger: str
    champion_model: str
    challenger_model: str
    choice: Choice


class Votes:
    """The store. Each call opens the file, so that any thread may call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, vote: Vote) -> None:
        """Keeps a vote."""
        columns = ["voted_at", *(field.name for field in fields(Vote))]
        row = (datetime.now(UTC).isoformat(timespec="seconds"), *astuple(vote))
        with self._opened() as store:
            store.execute(f"INSERT INTO votes ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})", row)

    def counts(self) -> dict[str, int]:
        """How often each choice was made."""
        with self._opened() as store:
            return dict(store.execute("SELECT choice, COUNT(*) FROM votes GROUP BY choice").fetchall())

    def pairs(self, document_name: str, summary_name: str, key_names: Sequence[str]) -> Iterator[str]:
        """The votes for one of two as JSON lines under these names, which `ingest` reads, and what the summary beat.

        Of a document the newest vote. Under each of ``key_names`` stands a key of the document. Whether both are good
        or neither is, that teaches nothing that a pair could say.
        """
        with self._opened() as store:
            rows = store.execute(
                "SELECT document, champion, challenger, choice FROM votes WHERE id IN "
                "(SELECT MAX(id) FROM votes WHERE choice IN ('champion', 'challenger') GROUP BY document) ORDER BY id"
            ).fetchall()
        for document, champion, challenger, choice in rows:
            summary, rejected = (champion, challenger) if choice == "champion" else (challenger, champion)
            key = f"vote:{hashlib.sha256(document.encode()).hexdigest()[:16]}"
            texts = {document_name: document, summary_name: summary, "rejected": rejected}
            pair = dict.fromkeys(key_names, key) | texts
            yield json.dumps(pair, ensure_ascii=False) + "\n"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path)) as store, store:
            store.execute(_TABLE)
            yield store
