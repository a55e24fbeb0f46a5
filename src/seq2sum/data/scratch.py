"""A database for what must be looked up again but would not fit in memory."""

import sqlite3


def scratch_database(*tables: str) -> sqlite3.Connection:
    """An empty database with the ``tables``, in a temporary file that goes when it is closed.

    It keeps some 32 MiB of itself in memory, however large it is.
    """
    database = sqlite3.connect("", isolation_level=None)  # an empty name is a file that nobody else sees
    for pragma in ("cache_size = -32768", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("BEGIN")  # one transaction for all: none is ever taken back
    for table in tables:
        database.execute(table)
    return database
