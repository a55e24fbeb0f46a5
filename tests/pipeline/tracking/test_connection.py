import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]


def test_processes_that_open_a_new_database_at_once_all_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the follower of a training and `publish` do; each of MLflow's migrations fails where another has made it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"{REPO}:{REPO / 'src'}")
    command = [sys.executable, "-c", "from pipeline.tracking.connection import connect; connect(may_create=True)"]
    processes = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert (tmp_path / "mlflow.db").stat().st_size > 0
