"""The model registry: adding a version, naming it, listing versions, fetching one."""

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pipeline.serving
import seq2sum
from pipeline.lineage import folder_fingerprint
from pipeline.tracking import connection
from pipeline.tracking.chain import Entry
from pipeline.tracking.ledger import Ledger
from seq2sum.config import SearchParams
from seq2sum.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CHAMPION = "champion"
CHALLENGER = "challenger"
# Says which weights, settings and scores a version stands for: published again, it is found, not doubled.
PUBLISH_KEY_TAG = "publish_key"
# SHA-256 over all that the version is loaded from.
CONTENT_TAG = "content_sha256"
# The name of a file that MLflow adds to what it downloads.
_ADDED_BY_MLFLOW = "registered_model_meta"
# What the pyfunc and the code that travels with it import.
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "rouge-score-rs",
    "safetensors",
    "tokenizers",
    "torch",
    "tqdm",
)
INPUT_EXAMPLE = (
    "The harbour museum opens again on Saturday after two years of repairs. Its new hall shows how the town lived from "
    "fishing, and children may try their hand at tying nets."
)


class FilesGoneError(UserError):
    """A registered version has no files in the artifact store."""


class Version(NamedTuple):
    """A registered version: its number, its aliases, its tags, when it was made (ms) and by which run."""

    name: str
    number: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_ms: int
    run_id: str


def versions(client: "MlflowClient") -> list[Version]:
    """All versions of the registered model, newest first."""
    name = connection.model_name()
    # Tags before aliases: whoever sees that a move was completed must see the alias moved.
    tagged = client.search_model_versions(f"name = '{name}'")
    registered = client.search_registered_models(f"name = '{name}'")
    aliases = registered[0].aliases.items() if registered else ()
    found = [
        Version(
            name,
            str(version.version),
            tuple(sorted(alias for alias, number in aliases if str(number) == str(version.version))),
            version.tags,
            version.creation_timestamp,
            str(version.run_id),
        )
        for version in tagged
    ]
    return sorted(found, key=lambda version: int(version.number), reverse=True)


def find_version(client: "MlflowClient", publish_key: str) -> Version | None:
    """The oldest version registered under ``publish_key``, if there is one."""
    return next((one for one in versions(client)[::-1] if one.tags.get(PUBLISH_KEY_TAG) == publish_key), None)


def by_alias(client: "MlflowClient", alias: str) -> Version | None:
    """The version that has ``alias``, if one does."""
    return next((one for one in versions(client) if alias in one.aliases), None)


def find_named(client: "MlflowClient", name: str) -> Version:
    """The version named by its number, its alias or ``models:/NAME@ALIAS`` or ``models:/NAME/NUMBER``.

    Raises UserError naming those that there are.
    """
    model, inside = connection.model_name(), re.sub(r"^models:/[^/@]+[/@]", "", name)
    if name.startswith("models:/") and not re.match(rf"models:/{re.escape(model)}[/@]", name):
        raise UserError(f"{name}: not a version of {model!r}. MLFLOW_MODEL_NAME names another registered model.")
    known = versions(client)
    found = next((one for one in known if inside == one.number or inside in one.aliases), None)
    if found is None:
        named = [f"{one.number} ({', '.join(one.aliases)})" if one.aliases else one.number for one in known]
        listed = ", ".join(named) or "none; `make run` makes one"
        raise UserError(f"{model!r} has no version {name!r}; there are: {listed}.")
    return found


def download(version: Version, folder: Path) -> Path:
    """Downloads all that MLflow loads a version from into ``folder``, unchecked; where it is.

    Raises FilesGoneError if there is nothing to download.
    """
    with connection.mlflow_errors():
        fetched = _download(f"models:/{version.name}/{version.number}", folder)
    # MLflow adds a file of its own.
    if not any(path.is_file() and path.name != _ADDED_BY_MLFLOW for path in fetched.rglob("*")):
        raise FilesGoneError(
            f"version {version.number}: its files are gone from the artifact store. Bring them back from a backup; "
            "if there is none, name another version, and delete this one in MLflow."
        )
    return fetched


def _download(uri: str, folder: Path) -> Path:
    """Without bytecode: Python writes it beside code that it imports, in a store on this machine too, and runs it."""
    from mlflow.artifacts import download_artifacts

    fetched = Path(download_artifacts(uri, dst_path=str(folder)))
    for cached in list(fetched.rglob("__pycache__")):
        shutil.rmtree(cached)
    return fetched


def fetch(version: Version, folder: Path) -> Path:
    """Like :func:`download`. Raises UserError if a file is not as it was registered, and as when it became champion."""
    fetched = download(version, folder)
    expected = version.tags.get(CONTENT_TAG)
    if expected is None:
        raise UserError(f"version {version.number} has no tag {CONTENT_TAG}: it was not registered by `publish`.")
    if content_hash(fetched) != expected:
        raise UserError(
            f"version {version.number}: its files in the registry are not those that were registered (their SHA-256 "
            f"differs from the version's tag {CONTENT_TAG}). Do not use it."
        )
    # Whoever changes files may set a tag, too, but not an entry of the ledger.
    from mlflow import MlflowClient

    with connection.mlflow_errors():
        ledger = Ledger.find(MlflowClient())
        told = hashes_in(ledger.entries(), version.number) if ledger else {}
    if differing := [str(index) for index, digest in told.items() if digest != expected]:
        raise UserError(
            f"version {version.number}: its files were changed, and its tag {CONTENT_TAG} with them, since it became "
            f"champion (entry {', '.join(differing)} of the ledger has another SHA-256). Do not use it."
        )
    return fetched


def hashes_in(entries: Iterable[Entry], number: str) -> dict[int, str]:
    """What :func:`content_hash` was of the version with that number, by the index of each entry that tells it."""
    return {
        entry.index: entry.evidence[CONTENT_TAG]
        for entry in entries
        if entry.version == number and CONTENT_TAG in entry.evidence
    }


def content_hash(folder: Path) -> str:
    """SHA-256 over names and contents of all that a version is loaded from."""
    return folder_fingerprint(folder, without=(_ADDED_BY_MLFLOW,))


def add_version(
    run_id: str, folders: Mapping[str, Path], search: SearchParams, step: int, tags: Mapping[str, str], description: str
) -> str:
    """Logs a pyfunc of the run with ``folders`` as its artifacts and registers it, tags and all in one step.

    Returns the version's number. The run's metrics at ``step`` become the model's.
    """
    import mlflow

    code = Path(pipeline.serving.__file__).with_name("pyfunc_model.py")
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="summarizer",
            python_model=str(code),
            artifacts={name: str(folder) for name, folder in folders.items()},
            code_paths=[str(Path(seq2sum.__file__).parent)],
            signature=_signature(search),
            input_example={"document": [INPUT_EXAMPLE]},
            pip_requirements=[f"{name}=={_public_version(name)}" for name in REQUIREMENTS],
            step=step,
        )
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        # What arrived in the store, MLflow's own files included.
        all_tags = {**tags, CONTENT_TAG: content_hash(_download(logged.model_uri, Path(temporary)))}
    registered = mlflow.register_model(logged.model_uri, connection.model_name(), tags=all_tags)
    mlflow.MlflowClient().update_model_version(registered.name, registered.version, description)
    return str(registered.version)


def _signature(search: SearchParams) -> "ModelSignature":
    """One document in, one summary out; the params default to the model's own search settings."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    types = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "document")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "summary"),
                ColSpec(DataType.double, "score"),
                ColSpec(DataType.boolean, "truncated"),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("num_beams" if key == "beam_size" else key, types[type(value)], value)
                for key, value in search.model_dump().items()
            ]
        ),
    )


def _public_version(distribution: str) -> str:
    """The installed version as an index knows it, without a build's local part (2.13.0+cpu)."""
    return importlib.metadata.version(distribution).partition("+")[0]
