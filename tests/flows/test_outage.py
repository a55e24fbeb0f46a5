"""A run whose server is lost, as a worker's process and as one's own."""

import os
import signal
import subprocess
import sys

RUN = """
import httpx
from pipeline.flows.outage import ends_without_server

@ends_without_server
def run(number: int) -> int:
    if number:
        raise httpx.ConnectError("refused")
    return 7

print(run(0), flush=True)
run(1)
"""


def end_of(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_a_worker_s_run_ends_as_if_it_were_killed() -> None:
    done = end_of({"PREFECT__FLOW_RUN_ID": "1"})
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "7\n")
    assert "goes on when it is back" in done.stderr


def test_a_run_of_one_s_own_tells_what_happened() -> None:
    done = end_of({})
    assert (done.returncode, done.stdout) == (1, "7\n")
    assert "refused" in done.stderr
