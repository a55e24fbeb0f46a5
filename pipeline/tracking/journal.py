"""Reading a training's journals, finished or still growing. Knows nothing of MLflow."""

import json
from pathlib import Path
from typing import NamedTuple

from seq2sum.errors import UserError

# Names within a training's checkpoint folder.
JOURNAL_NAME = "journal.jsonl"
PACE_NAME = "pace.jsonl"


class Point(NamedTuple):
    """One value of one metric."""

    key: str
    step: int
    value: float


def read_journal(path: Path) -> list[Point]:
    """All points of a finished journal. Raises UserError naming the file, or the line that is no journal line."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run `dvc repro` first.") from error
    points: list[Point] = []
    for number, line in enumerate(lines, start=1):
        try:
            points += _parse(line)
        except ValueError as error:
            raise UserError(f"{path}:{number}: not a journal line ({error}). Run `dvc repro -f train`.") from error
    return points


def read_growing_journal(path: Path) -> list[Point]:
    """The points so far of a journal that may be written to meanwhile, may have been cut, or may not exist yet.

    A line that is not whole, as a killed writer leaves one, is passed over.
    """
    try:
        *whole, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    points: list[Point] = []
    for line in whole:
        try:
            points += _parse(line)
        except ValueError:
            continue
    return points


def _parse(line: bytes) -> list[Point]:
    """Raises ValueError for anything but a journal line."""
    entry = json.loads(line)
    try:
        return [Point(str(key), int(entry["step"]), float(value)) for key, value in entry["values"].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no step or no values: {error}") from error
