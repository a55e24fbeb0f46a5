"""The champion as the flows use it: fetched, its files checked against the registry."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import paths, record
from pipeline.tracking import connection, registry


class Champion(NamedTuple):
    """The version's number, its model folder and its record."""

    number: str
    model: Path
    record: Path


@contextlib.contextmanager
def fetched_champion() -> Iterator[Champion]:
    """For the length of the block. Raises UserError if there is none or its files are not those registered."""
    client = connection.connect()
    with connection.mlflow_errors(), tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        version = registry.find_named(client, registry.CHAMPION)
        artifacts = registry.fetch(version, Path(temporary)) / "artifacts"
        yield Champion(version.number, artifacts / paths.MODEL.name, artifacts / record.FOLDER)
