"""A version as the flows use it: fetched, its files checked against the registry."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import paths, record
from pipeline.batch import version_of
from pipeline.tracking import connection, registry
from seq2sum.errors import UserError


class Fetched(NamedTuple):
    """The version's number, its model folder and its record."""

    number: str
    model: Path
    record: Path


@contextlib.contextmanager
def fetched(name: str = registry.CHAMPION) -> Iterator[Fetched]:
    """For the length of the block. Raises UserError if there is none or its files are not those registered."""
    client = connection.connect()
    with connection.mlflow_errors(), tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        version = registry.find_named(client, name)
        artifacts = registry.fetch(version, Path(temporary)) / "artifacts"
        yield Fetched(version.number, artifacts / paths.MODEL.name, artifacts / record.FOLDER)


def version_for(target: str, log: "logging.LoggerAdapter[logging.Logger]") -> str:
    """The version for a batch in the folder ``target``: the one that began it, or else the champion.

    So a batch has one version, whoever becomes champion meanwhile. Raises UserError if the registry has it no longer.
    """
    begun = version_of(target)
    if begun is None:
        return registry.CHAMPION
    client = connection.connect()
    with connection.mlflow_errors():
        known = registry.versions(client)
    if begun not in [version.number for version in known]:
        raise UserError(
            f"{target}: version {begun} began this batch, and the registry has it no longer. Name another folder for "
            "the champion's summaries."
        )
    champion = next((version.number for version in known if registry.CHAMPION in version.aliases), None)
    if begun != champion:
        log.warning(
            "version %s began this batch and goes on with it; the champion is %s now, whose summaries want another "
            "folder",
            begun, f"version {champion}" if champion else "none",
        )  # fmt: skip
    return begun
