"""One long job at a time, and none that outlives whoever started it."""

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from seq2sum.errors import UserError

LOCK_NAME = "lock"
STARTERS_VARIABLE = "SEQ2SUM_STARTERS"
POLL_SECONDS = 0.5
GRACE_SECONDS = 30.0
LOCK_WAIT_SECONDS = 45.0  # longer than the grace that an orphan takes to end


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the lock of ``folder``, which the kernel frees when the process ends, however it ends.

    Raises UserError if another process still holds it after a while.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_NAME).open("a+") as stream:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    stream.seek(0)
                    owner = stream.read().strip() or "unknown"
                    raise UserError(f"{folder}: process {owner} works on it. Wait for it or end it.") from error
                time.sleep(POLL_SECONDS)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


@contextlib.contextmanager
def exclusive_if_free(folder: Path) -> Iterator[bool]:
    """Holds the lock of ``folder`` unless another process does; says whether."""
    with (folder / LOCK_NAME).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def stop_when_asked() -> Callable[[], bool]:
    """Returns a function that tells whether to stop: on SIGTERM or SIGINT.

    A process that does not stop by itself within the grace time is ended.
    """
    asked = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)

    def end_after_grace() -> None:
        asked.wait()
        time.sleep(GRACE_SECONDS)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=end_after_grace, daemon=True, name="grace").start()
    return asked.is_set


def end_with_starter() -> None:
    """Has this process get a SIGTERM when its starter is gone, and ends it if it is still there after the grace.

    Where a launcher started it, the launcher's starters count too; the launcher is told to end when they are gone.
    """
    beyond_launcher = _starters_of_the_launcher()
    # A launcher that is gone before this line is missed, too: it is named, so nobody else is taken for it.
    launcher = beyond_launcher[0][0] if beyond_launcher else os.getppid()
    starters = [(os.getpid(), launcher)] if beyond_launcher else _starters()

    def watch() -> None:
        while not _are_gone(beyond_launcher) and not _are_gone(starters):
            time.sleep(POLL_SECONDS)
        if not _are_gone(starters):
            os.kill(launcher, signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="starter-watch").start()


def name_starters() -> None:
    """Names whoever started this process in the environment, for processes that are started from it."""
    os.environ[STARTERS_VARIABLE] = " ".join(f"{child}:{parent}" for child, parent in _starters())


def _starters_of_the_launcher() -> list[tuple[int, int]]:
    named = [pair.partition(":") for pair in os.environ.get(STARTERS_VARIABLE, "").split()]
    return [(int(child), int(parent)) for child, _, parent in named]


def _starters() -> list[tuple[int, int]]:
    """(child, parent) pairs to watch: our parent and, where that is a shell made for our command, its parent too."""
    return _NOTED.get(os.getpid()) or _starters_now()


def _starters_now() -> list[tuple[int, int]]:
    own, parent = os.getpid(), os.getppid()
    pairs = [(own, parent)]
    grandparent = _parent_of(parent)
    with contextlib.suppress(OSError):
        if b"\0-c\0" in Path(f"/proc/{parent}/cmdline").read_bytes() and grandparent is not None:
            pairs.append((parent, grandparent))
    return pairs


def _are_gone(starters: list[tuple[int, int]]) -> bool:
    return any(_parent_of(child) != parent for child, parent in starters)


def _parent_of(process: int) -> int | None:
    if process == os.getpid():
        return os.getppid()
    try:
        # The name, in parentheses, may hold anything; what follows it is state and parent.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


# Noted on import, which stages do before anything slow: a starter killed meanwhile is not there to be found later.
_NOTED = {os.getpid(): _starters_now()}
