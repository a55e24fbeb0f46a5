"""Real processes, killed for real."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.supervision import STARTERS_VARIABLE, exclusive
from seq2sum.errors import UserError

WORKER = """
import sys, time
from pathlib import Path
from pipeline.supervision import end_with_starter, exclusive, stop_when_asked
should_stop = stop_when_asked()
Path(sys.argv[1], "imported").write_text(str(__import__("os").getpid()))
while Path(sys.argv[1], "wait").exists():
    time.sleep(0.02)
end_with_starter()
with exclusive(Path(sys.argv[1])):
    Path(sys.argv[1], "started").write_text(str(__import__("os").getpid()))
    while not should_stop():
        time.sleep(0.02)
    Path(sys.argv[1], "stopped").touch()
"""


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as stream:  # a zombie has ended
        return stream.read().rpartition(")")[2].split()[0] != "Z"


def start(folder, *, through_shell: bool) -> subprocess.Popen:
    """A starter process (as dvc is to a stage) whose child is the worker."""
    script = folder / "worker.py"
    script.write_text(WORKER)
    command = f"{sys.executable} {script} {folder}"
    # `; true` keeps the shell between, where it would else replace itself by the command.
    shell = ["/bin/sh", "-c", f"{command}; true"] if through_shell else command.split()
    starter = f"import subprocess; subprocess.run({shell!r})"
    return subprocess.Popen([sys.executable, "-c", starter])


@pytest.mark.parametrize("through_shell", [False, True])
def test_a_worker_ends_when_its_starter_is_killed(tmp_path, through_shell):
    starter = start(tmp_path, through_shell=through_shell)
    wait_for((tmp_path / "started").exists)
    worker = int((tmp_path / "started").read_text())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_for(lambda: not is_running(worker))
    assert (tmp_path / "stopped").exists()


@pytest.mark.parametrize("through_shell", [False, True])
def test_a_worker_ends_whose_starter_was_killed_while_it_imported(tmp_path, through_shell):
    (tmp_path / "wait").touch()
    starter = start(tmp_path, through_shell=through_shell)
    wait_for(lambda: (tmp_path / "imported").exists() and (tmp_path / "imported").read_text())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    (tmp_path / "wait").unlink()
    wait_for((tmp_path / "stopped").exists)


def test_a_worker_whose_launcher_was_gone_before_it_looked_stops_and_signals_nobody(tmp_path, monkeypatch):
    launcher = subprocess.Popen(["true"])
    launcher.wait()
    monkeypatch.setenv(STARTERS_VARIABLE, f"{launcher.pid}:1")
    starter = start(tmp_path, through_shell=False)
    wait_for((tmp_path / "stopped").exists)
    assert starter.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_when_asked(tmp_path, number):
    starter = start(tmp_path, through_shell=False)
    wait_for((tmp_path / "started").exists)
    os.kill(int((tmp_path / "started").read_text()), number)
    wait_for((tmp_path / "stopped").exists)
    starter.wait()


def test_a_second_holder_is_told_who_the_first_is(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.supervision.LOCK_WAIT_SECONDS", 0.3)
    starter = start(tmp_path, through_shell=False)
    wait_for((tmp_path / "started").exists)
    worker = int((tmp_path / "started").read_text())
    with pytest.raises(UserError, match=str(worker)), exclusive(tmp_path):
        raise AssertionError("two hold the lock")
    os.kill(worker, signal.SIGKILL)
    starter.wait()
    with exclusive(tmp_path):
        pass
