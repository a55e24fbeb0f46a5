"""Commands in a process group of their own, read line by line; nothing is left of them, whatever ends them."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from pipeline.flows import tether

# A trainer that is asked to stop writes its checkpoint first.
GRACE_SECONDS = 20.0
TICK_SECONDS = 1.0
_LAST_LINES = 15


class CommandError(Exception):
    """A command that failed. ``status``: of the process that failed; ``is_lost``: a signal ended it."""

    def __init__(self, command: Sequence[str], status: int, lines: Sequence[str]) -> None:
        self.status = status
        self.is_lost = status < 0 or 128 < status <= 128 + signal.SIGRTMAX
        how = f"signal {abs(status) % 128}" if self.is_lost else f"status {status}"
        super().__init__("\n".join([f"`{' '.join(command)}` ended with {how}", *lines[-_LAST_LINES:]]))


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    deadline: float | None = None,
) -> list[str]:
    """Runs ``command`` in ``folder``; its lines of output, standard error included, each of which ``on_line`` gets.

    ``on_tick`` is called about every second. Raises CommandError if the command fails, TimeoutError at ``deadline``
    (of the monotonic clock).
    """
    lines: list[str] = []
    process = subprocess.Popen(
        [sys.executable, tether.__file__, str(os.getpid()), *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        for line in _lines_of(process):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"`{' '.join(command)}` was ended: the time was up.")
            on_tick()
            if line:
                on_line(line)
                lines.append(line)
        status = process.wait()
    finally:
        end_group(process.pid)
        process.wait()
    if status != 0:
        raise CommandError(command, status, lines)
    return lines


def _lines_of(process: "subprocess.Popen[str]") -> Iterator[str | None]:
    """The lines as they come, and None now and then; ends with the process, though its children may keep the pipe."""
    assert process.stdout is not None
    stream, waiting = process.stdout, queue.SimpleQueue[str | None]()

    def read() -> None:
        with contextlib.suppress(ValueError):
            for line in stream:
                waiting.put(line.rstrip())
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = waiting.get(timeout=TICK_SECONDS)
        except queue.Empty:
            if process.poll() is not None:
                return
            yield None
            continue
        if line is None:
            return
        yield line


def end_group(group: int, grace: float = GRACE_SECONDS) -> None:
    """Ends all processes of the group: asked first, killed after ``grace`` seconds."""
    end_processes(lambda: _members(group), grace)


def end_processes(find: Callable[[], list[psutil.Process]], grace: float = GRACE_SECONDS) -> None:
    """Ends what ``find`` finds, and finds anew until there is nothing: asked first, killed after ``grace`` seconds."""
    deadline, asked = time.monotonic() + grace, set[psutil.Process]()
    while found := find():
        late = time.monotonic() > deadline
        for process in found:
            if late or process not in asked:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL if late else signal.SIGTERM)
                asked.add(process)
        time.sleep(0.1)


def _members(group: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members
