"""The model folder of champion or challenger, as fast as the registry's place allows."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline import paths
from pipeline.tracking import connection, registry
from seq2sum.errors import UserError

_STORAGE_OF_ALIAS = """
SELECT version.storage_location
FROM registered_model_aliases AS alias
JOIN model_versions AS version ON version.name = alias.name AND version.version = alias.version
WHERE alias.name = ? AND alias.alias = ?
"""


@contextlib.contextmanager
def champion_folder() -> Iterator[Path]:
    """The champion's model folder, to be read within the block. Raises UserError if there is no champion."""
    with aliased_folder(registry.CHAMPION) as folder:
        yield folder


@contextlib.contextmanager
def aliased_folder(alias: str) -> Iterator[Path]:
    """The model folder of the version with that alias, to be read within the block. Raises UserError if none has it."""
    embedded = _embedded_folder(alias)
    if embedded is not None:
        yield embedded
        return
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        yield _downloaded_folder(alias, temporary)


def _embedded_folder(alias: str) -> Path | None:
    """The folder on this machine, where the registry is an SQLite file on it too; None where MLflow must be asked.

    Reading MLflow's tables saves the 5 to 10 seconds that importing MLflow takes. Should they look otherwise one day,
    MLflow is asked.
    """
    uri = connection.registry_uri()
    database = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not database.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connected:
            rows = connected.execute(_STORAGE_OF_ALIAS, (connection.model_name(), alias)).fetchall()
    except sqlite3.Error:
        return None
    folders = [Path(location.removeprefix("file://")) / "artifacts" / paths.MODEL.name for (location,) in rows]
    return folders[0] if len(folders) == 1 and folders[0].is_dir() else None


def _downloaded_folder(alias: str, temporary: str) -> Path:
    client = connection.connect()
    from mlflow.artifacts import download_artifacts

    with connection.mlflow_errors():
        version = registry.by_alias(client, alias)
        if version is None:
            raise UserError(
                f"No {alias} of {connection.model_name()!r} in the registry at "
                f"{connection.without_password(connection.registry_uri())}. Make one with `make run`, name another "
                "registry with MLFLOW_TRACKING_URI, or give a model folder with --model."
            )
        # With the record, which tells what the version's own documents are like.
        artifacts = f"models:/{version.name}/{version.number}/artifacts"
        return Path(download_artifacts(artifacts, dst_path=temporary)) / paths.MODEL.name
