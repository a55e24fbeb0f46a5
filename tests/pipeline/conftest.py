from pathlib import Path

import pytest

from tests.pipeline.tracking.project import make_model
from tests.pipeline.trained import make_trained_project


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small untrained model."""
    folder = tmp_path_factory.mktemp("model") / "summarizer"
    make_model(folder)
    return folder


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a project after its training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2SUM_DEVICE", "cpu")
    monkeypatch.setenv("SEQ2SUM_THREADS", "1")
    make_trained_project()
    return tmp_path
