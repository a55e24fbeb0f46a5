"""Real processes, killed for real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.flows.command import CommandError, run
from tests.servers import wait_for

# Starts a child that ignores being asked to end, as a hanging stage does, and waits.
STUBBORN = """
import subprocess, sys, time
child = "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path('up').touch()"
subprocess.Popen([sys.executable, "-c", child + "; time.sleep(600)"])
print("started", flush=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def running_in(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_lines_come_while_the_command_runs(tmp_path):
    came = {}
    code = "import time; print('one', flush=True); time.sleep(1); print('two')"
    lines = run(python(code), tmp_path, os.environ, lambda line: came.setdefault(line, time.monotonic()))
    assert lines == ["one", "two"]
    assert came["two"] - came["one"] > 0.8


@pytest.mark.parametrize(
    ("code", "status", "is_lost"),
    [
        ("import sys; print('a bad key'); sys.exit(2)", 2, False),
        # DVC's own errors.
        ("import sys; print('a bad key'); sys.exit(255)", 255, False),
        ("import sys; sys.exit(128 + 15)", 143, True),
        ("import os; os.kill(os.getpid(), 9)", -9, True),
    ],
)
def test_a_failure_says_how_it_ended_and_what_was_said(tmp_path, code, status, is_lost):
    with pytest.raises(CommandError) as failed:
        run(python(code), tmp_path, os.environ, lambda _: None)
    assert (failed.value.status, failed.value.is_lost) == (status, is_lost)
    assert is_lost or "a bad key" in str(failed.value)


def test_at_the_deadline_nothing_is_left_of_the_group(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.flows.command.end_group.__defaults__", (1.0,))

    def is_up() -> float:
        wait_for((tmp_path / "up").exists, 60)
        return time.monotonic()

    with pytest.raises(TimeoutError):
        run(python(STUBBORN), tmp_path, os.environ, lambda _: is_up(), deadline=time.monotonic() + 1)
    assert running_in(tmp_path) == []


def test_a_command_does_not_outlive_a_starter_that_is_killed(tmp_path):
    code = (
        "import os; from pathlib import Path; from pipeline.flows.command import run\n"
        f"run({python('import time; time.sleep(600)')!r}, Path({str(tmp_path)!r}), os.environ, print)"
    )
    starter = subprocess.Popen(python(code))
    wait_for(lambda: running_in(tmp_path), 60)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_for(lambda: not running_in(tmp_path), 10)
