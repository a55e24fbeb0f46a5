import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.tracking import connection
from seq2sum.errors import UserError
from tests.pipeline.tracking.project import environment
from tests.servers import free_port

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


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers every request with one status; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(request.param)

        do_POST = do_GET  # noqa: N815

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("answering", "is_temporary"), [(503, True), (429, True), (401, False), (404, False)], indirect=["answering"]
)
def test_a_server_that_can_not_answer_now_is_told_from_one_that_refuses(
    answering: str, is_temporary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answering)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError) as told:
        connection.connect()
    assert isinstance(told.value, connection.UnreachableError) == is_temporary


@pytest.mark.parametrize("module", ["publish", "promote"])
def test_commands_end_with_75_without_a_server_and_with_2_where_the_user_is_to_blame(
    project: Path, module: str
) -> None:
    surroundings = environment(f"http://127.0.0.1:{free_port()}") | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

    def status() -> int:
        command = [sys.executable, "-m", f"pipeline.{module}"]
        return subprocess.run(command, cwd=project, env=surroundings, capture_output=True, check=False).returncode

    assert status() == 75
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("train:", "trian:"))
    assert status() == 2
