import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.pipeline.tracking.project import (
    LONGER,
    environment,
    make_model,
    make_project,
    publish_model,
    rival_pairs,
    write_params,
)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "summarizer"
    make_model(folder)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making MLflow's tables takes seconds; copying them does not."""
    database = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, empty_database: Path) -> Path:
    """A project published by the command line, into the database that is used where none is named."""
    folder = tmp_path_factory.mktemp("published")
    make_project(folder, model_folder)
    shutil.copy(empty_database, folder / "mlflow.db")
    done = run_publish(folder, "")
    assert done.returncode == 0, done.stderr
    assert "ROUGE-1" in done.stdout
    assert "|" not in done.stdout  # Markdown is for files
    assert "seq2sum version 1, alias champion (registered)" in done.stdout
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in done.stdout
    return folder


def run_publish(folder: Path, tracking_uri: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipeline.publish"]
    return subprocess.run(
        command, cwd=folder, env=environment(tracking_uri), capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(
    tmp_path: Path, model_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The working folder: a finished project that tracks in a database of its own."""
    make_project(tmp_path, model_folder)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    # MLflow keeps connections by their address, so a relative one would lead into another test's folder.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    yield tmp_path
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in before]:
        del os.environ[name]


@pytest.fixture
def client(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/mlflow.db")


@pytest.fixture(scope="session")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, float]:
    """Folders of three small models that write other things, and on which share of the test pairs each is right."""
    folder = tmp_path_factory.mktemp("rivals")
    shares = {folder / "poor": 0.1, folder / "best": 0.6, folder / "good": 0.3}
    for seed, model in zip((5, 7, 8), shares, strict=True):
        make_model(model, seed, LONGER)
    return shares


@pytest.fixture(scope="session")
def three_versions(tmp_path_factory: pytest.TempPathFactory, rivals: dict[Path, float], empty_database: Path) -> Path:
    """A project with a champion (1) and two that are better than it, the first of them (2) more so."""
    folder = tmp_path_factory.mktemp("three")
    make_project(folder, next(iter(rivals)))
    shutil.copy(empty_database, folder / "mlflow.db")
    # The tests' models are tiny: their latency is noise.
    write_params(folder, promote={"max_latency_growth": 50.0, "latency_documents": 40, "bootstrap_samples": 500})
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        pairs = rival_pairs(rivals)
        for model, share in rivals.items():
            publish_model(folder, model, pairs, 100 * share)
    return folder


@pytest.fixture
def registered(project: Path, three_versions: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with a copy of that registry. Its artifacts are shared: they stay where they are."""
    shutil.copytree(three_versions, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mlartifacts"))
    monkeypatch.setenv("SEQ2SUM_DEVICE", "cpu")
    monkeypatch.setenv("SEQ2SUM_WORKERS", "1")
    monkeypatch.setenv("SEQ2SUM_THREADS", "1")
    return project
