"""Two promotions by the command line at the same time, each a process of its own, against one MLflow server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import succession
from pipeline.tracking import registry
from tests.pipeline.tracking.project import environment
from tests.servers import MlflowServer


@pytest.fixture
def server(registered: Path) -> Iterator[MlflowServer]:
    """It keeps the registry of the working folder."""
    running = MlflowServer(registered, f"sqlite:///{registered}/mlflow.db", str(registered / "artifacts"))
    yield running
    running.kill()


@pytest.mark.slow
def test_two_commands_that_promote_at_once_leave_one_champion_and_a_true_ledger(
    registered: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions are better than the champion, 2 more so: it wins whoever comes first."""
    processes = {
        version: subprocess.Popen(
            [sys.executable, "-m", "pipeline.promote", version],
            cwd=registered, env=environment(server.uri), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for version in ("3", "2")
    }  # fmt: skip
    told = {version: process.communicate() for version, process in processes.items()}
    assert processes["2"].returncode == 0, told["2"]
    # It came first and was beaten then, or second and was judged against 2.
    three_came_first = processes["3"].returncode == 0
    assert processes["3"].returncode in (0, 1), told["3"]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert succession.ledger_problems(with_verdicts=True) == []
    changes = [(entry.previous, entry.version) for entry in succession.history()]
    assert changes == ([(None, "1"), ("1", "3"), ("3", "2")] if three_came_first else [(None, "1"), ("1", "2")])
    client = MlflowClient(server.uri)
    assert [one.number for one in registry.versions(client) if registry.CHAMPION in one.aliases] == ["2"]
    tags = client.get_model_version("seq2sum", "3").tags
    assert (tags["gate.decision"], tags["gate.champion"]) == (("promote", "1") if three_came_first else ("keep", "2"))
