"""Checkpoints of several trainings in one folder, as they are when another training starts."""

import os
from pathlib import Path

import pytest

from pipeline.retention import tidy
from pipeline.supervision import exclusive

MIB = 2**20


def training(checkpoints: Path, name: str, age: int, size: int = MIB) -> Path:
    folder = checkpoints / name
    folder.mkdir(parents=True)
    for file in ("step-000000010.safetensors", "step-000000010.json", "incident-1.safetensors", "journal.jsonl"):
        (folder / file).touch()
        os.utime(folder / file, (1e9 - age, 1e9 - age))
    with (folder / "step-000000010.safetensors").open("r+b") as stream:
        stream.truncate(size)
    os.utime(folder / "step-000000010.safetensors", (1e9 - age, 1e9 - age))
    (folder / ".step-000000020.safetensors.x1.part").touch()
    return folder


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"lock"}


WHOLE = {"step-000000010.safetensors", "step-000000010.json", "incident-1.safetensors", "journal.jsonl"}


@pytest.mark.parametrize(("max_bytes", "num_kept"), [(0, 0), (MIB, 1), (2 * MIB, 2), (9 * MIB, 3)])
def test_the_oldest_trainings_lose_their_checkpoints_and_keep_their_journals(tmp_path, max_bytes, num_kept):
    own = training(tmp_path, "own", age=100, size=100 * MIB)
    others = [training(tmp_path, name, age) for name, age in (("c", 1), ("a", 2), ("b", 3))]
    with exclusive(own):
        tidy(tmp_path, own, max_bytes)
    assert names(own) == WHOLE
    assert [names(folder) for folder in others] == [WHOLE] * num_kept + [{"journal.jsonl"}] * (3 - num_kept)


def test_a_training_that_goes_on_is_left_alone(tmp_path):
    own, other = training(tmp_path, "own", age=1), training(tmp_path, "other", age=2)
    before = names(other)
    with exclusive(other), exclusive(own):
        tidy(tmp_path, own, max_bytes=0)
    assert names(other) == before
