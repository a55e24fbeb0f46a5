"""The outbox that makes sending a journal's points safe to repeat. Knows nothing of MLflow.

A tracking server tells two points of a metric apart by key, step, value *and* time. A point that is sent again, because
its answer was lost or its sender killed, is therefore stored once only if it carries the same time as before. So
points get their times on disk before they are sent (the transactional outbox pattern), and whoever sends them, the
live follower or `publish`, takes them from there.
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.tracking.journal import Point
from seq2sum.errors import UserError

# Names within a training's checkpoint folder.
OUTBOX_NAME = "outbox.jsonl"
LOCK_NAME = "outbox.lock"


class StampedPoint(NamedTuple):
    """A point with the time at which it was first seen, in milliseconds since the epoch."""

    point: Point
    timestamp: int


class Outbox:
    """The points of one run in the order seen, each (key, step) once, on disk before anyone can take them.

    The first value seen stays: an exact resume writes the same one again, and a pace is a fact of its moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._points: dict[tuple[str, int], StampedPoint] = {}
        for line in _whole_lines(path):
            entry = json.loads(line)
            point = Point(*entry["point"])
            self._points[point.key, point.step] = StampedPoint(point, entry["timestamp"])

    def add(self, points: Iterable[Point]) -> None:
        """Stamps the points not seen before with the time of now."""
        now = time.time_ns() // 1_000_000
        new: dict[tuple[str, int], StampedPoint] = {}
        for point in points:
            if (point.key, point.step) not in self._points:
                new.setdefault((point.key, point.step), StampedPoint(point, now))
        if not new:
            return
        lines = [json.dumps(stamped._asdict()) + "\n" for stamped in new.values()]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.write("".join(lines).encode())
        self._points |= new

    def seconds(self) -> int:
        """Whole seconds since the first point was seen; 0 where there is none."""
        first = next(iter(self._points.values()), None)
        return 0 if first is None else time.time_ns() // 1_000_000_000 - first.timestamp // 1000

    def points(self) -> list[StampedPoint]:
        """All points so far."""
        return list(self._points.values())


def _whole_lines(path: Path) -> list[bytes]:
    """Lines that end; a torn last one is cut off the file, since what it held was never sent."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    return whole.splitlines()


@contextlib.contextmanager
def opened_outbox(folder: Path, wait_seconds: float) -> Iterator[Outbox]:
    """The outbox in a training's folder, for one process at a time.

    Raises UserError if another process does not let go of it within ``wait_seconds``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_NAME).open("ab") as lock:
        deadline = time.monotonic() + wait_seconds
        while not _locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise UserError(
                    f"{folder / LOCK_NAME}: still held by a process that sends metrics. "
                    "Call the same command again in a minute."
                )
            time.sleep(0.1)
        yield Outbox(folder / OUTBOX_NAME)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
