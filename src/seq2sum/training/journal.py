"""The local record of a training's metrics, written before anything is sent anywhere."""

import json
import os
from collections.abc import Mapping
from pathlib import Path


class Journal:
    """An append-only JSONL file: ``{"step": …, "phase": …, "values": {name: number}}`` a line.

    Lines hold nothing that differs between two runs of the same training, so that a resumed training's journal equals
    an uninterrupted one's byte for byte.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._stream = path.open("ab")

    def on_metrics(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Appends a line and hands it to the operating system."""
        line = json.dumps({"step": step, "phase": phase, "values": dict(values)}, sort_keys=True)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()

    def size(self) -> int:
        """Bytes written so far, safely on the disk when this returns; a checkpoint remembers them."""
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def cut(self, size: int) -> None:
        """Forgets what was written after the checkpoint that remembers ``size`` bytes."""
        self._stream.truncate(size)
        self._stream.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


class NoJournal(Journal):
    """What the other processes of a training have in place of the first one's journal."""

    def __init__(self) -> None:
        pass

    def on_metrics(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Writes nothing."""

    def size(self) -> int:
        """Nothing."""
        return 0

    def cut(self, size: int) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""
