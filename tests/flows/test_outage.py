"""A run whose server is lost for a while, as a worker's and as one's own."""

import httpx
import pytest

from pipeline.flows import outage
from pipeline.flows.outage import outlasts_outages


class Server:
    """Answers the third time that it is asked after its health."""

    def __init__(self) -> None:
        self.num_asked = 0

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None: ...

    def api_healthcheck(self) -> Exception | None:
        self.num_asked += 1
        return None if self.num_asked > 2 else httpx.ConnectError("refused")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(outage, "get_client", lambda **_: server)
    monkeypatch.setattr(outage, "POLL_SECONDS", 0.0)
    return server


def losing(times: int):
    """A flow that loses its server so often, and notes its beginnings."""
    begun: list[int] = []

    @outlasts_outages
    def run(number: int) -> int:
        begun.append(number)
        if len(begun) <= times:
            raise httpx.ConnectError("refused")
        return number

    return run, begun


def test_a_worker_s_run_waits_for_the_server_and_begins_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "1")
    run, begun = losing(2)
    assert run(7) == 7
    assert begun == [7, 7, 7]
    assert server.num_asked == 4  # Thrice for the first loss, and it is there at the second.


def test_a_server_that_stays_away_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "1")
    monkeypatch.setattr(outage, "MOST_SECONDS", 0.0)
    run, begun = losing(1)
    with pytest.raises(httpx.ConnectError):
        run(7)
    assert begun == [7]


def test_a_run_of_one_s_own_tells_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT__FLOW_RUN_ID", raising=False)
    run, begun = losing(1)
    with pytest.raises(httpx.ConnectError):
        run(7)
    assert (begun, server.num_asked) == ([7], 0)
