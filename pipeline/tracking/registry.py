"""The model registry: adding a version, naming the champion, listing versions."""

import importlib.metadata
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pipeline.serving
import seq2sum
from pipeline.tracking import connection
from seq2sum.config import SearchParams

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CHAMPION = "champion"
CHALLENGER = "challenger"
# Says which weights, settings and scores a version stands for: published again, it is found, not doubled.
PUBLISH_KEY_TAG = "publish_key"
# What the pyfunc and the code that travels with it import.
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pydantic", "pyyaml", "safetensors", "tokenizers", "torch", "tqdm")
INPUT_EXAMPLE = (
    "The harbour museum opens again on Saturday after two years of repairs. Its new hall shows how the town lived from "
    "fishing, and children may try their hand at tying nets."
)


class Version(NamedTuple):
    """A registered version: its number, its aliases, the tags that it was registered with, and when (ms)."""

    name: str
    number: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_ms: int


def versions(client: "MlflowClient") -> list[Version]:
    """All versions of the registered model, newest first."""
    name = connection.model_name()
    registered = client.search_registered_models(f"name = '{name}'")
    aliases = registered[0].aliases.items() if registered else ()
    found = [
        Version(
            name,
            str(version.version),
            tuple(sorted(alias for alias, number in aliases if str(number) == str(version.version))),
            version.tags,
            version.creation_timestamp,
        )
        for version in client.search_model_versions(f"name = '{name}'")
    ]
    return sorted(found, key=lambda version: int(version.number), reverse=True)


def find_version(client: "MlflowClient", publish_key: str) -> Version | None:
    """The version registered under ``publish_key``, if there is one."""
    return next((one for one in versions(client) if one.tags.get(PUBLISH_KEY_TAG) == publish_key), None)


def add_version(
    run_id: str, model_folder: Path, search: SearchParams, step: int, tags: Mapping[str, str], description: str
) -> None:
    """Logs the model folder as a pyfunc of the run and registers it, tags and all in one step.

    The run's metrics at ``step`` become the model's.
    """
    import mlflow

    code = Path(pipeline.serving.__file__).with_name("pyfunc_model.py")
    # MLflow warns that predict has no type hints, past all filters; they would lose the signature's params.
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings(record=True):
        logged = mlflow.pyfunc.log_model(
            name="summarizer",
            python_model=str(code),
            artifacts={"summarizer": str(model_folder)},
            code_paths=[str(Path(seq2sum.__file__).parent)],
            signature=_signature(search),
            input_example={"document": [INPUT_EXAMPLE]},
            pip_requirements=[f"{name}=={_public_version(name)}" for name in REQUIREMENTS],
            step=step,
        )
    registered = mlflow.register_model(logged.model_uri, connection.model_name(), tags=dict(tags))
    mlflow.MlflowClient().update_model_version(registered.name, registered.version, description)


def give_alias(client: "MlflowClient", version: Version) -> str:
    """The alias of a version just published: the one it has, or champion where there is none, or challenger."""
    if version.aliases:
        return version.aliases[0]
    taken = {alias for one in versions(client) for alias in one.aliases}
    alias = CHALLENGER if CHAMPION in taken else CHAMPION
    client.set_registered_model_alias(version.name, alias, version.number)
    return alias


def _signature(search: SearchParams) -> "ModelSignature":
    """One document in, one summary out; the params default to the model's own search settings."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    types = {bool: DataType.boolean, int: DataType.long, float: DataType.double}
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
