"""Checkpoints: atomic, checksummed, without pickles; a corrupt newest one falls back to the one before."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seq2sum.files import sha256_of, write_json
from seq2sum.model.tensor_file import write_tensors

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Everything a training needs to go on: named tensors, and numbers and words."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class CheckpointStore:
    """A folder of checkpoints of one training, ``step-N-TIME.safetensors`` with a JSON file beside it.

    The JSON file is written last and holds the tensor file's SHA-256: without it, or where they differ, the
    checkpoint does not exist. No file is written over: what a step is saved for another time, as where a phase ends,
    gets a name of its own, so that a kill in between leaves the one before whole.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, step: int, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint of ``step`` and drops all but the ``keep`` newest up to it.

        Later ones were damaged, or the training would not have gone back behind them.
        """
        times = [int(file.stem.split("-")[2]) for file in self.folder.glob(f"step-{step:09d}-*")]
        tensors = self.folder / f"step-{step:09d}-{max(times, default=-1) + 1:03d}.safetensors"
        facts = tensors.with_suffix(".json")
        write_tensors(tensors, checkpoint.tensors)
        write_json(facts, {"sha256": sha256_of(tensors), "facts": checkpoint.facts})
        kept = [file for file in self._facts_files() if file <= facts][: self.keep]
        for file in sorted(self.folder.glob("step-*")):
            if file.with_suffix(".json") not in kept:
                file.unlink()

    def latest(self, device: torch.device) -> Checkpoint | None:
        """The newest intact checkpoint, or None."""
        for facts_file in self._facts_files():
            try:
                return _read(facts_file, device)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                log.warning("%s is not usable (%s); trying the one before", facts_file, error)
        return None

    def _facts_files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.json"), reverse=True)


def _read(facts_file: Path, device: torch.device) -> Checkpoint:
    content = json.loads(facts_file.read_text(encoding="utf-8"))
    tensors = facts_file.with_suffix(".safetensors")
    if sha256_of(tensors) != content["sha256"]:
        raise ValueError("its checksum does not match")
    return Checkpoint(load_file(tensors, device=str(device)), content["facts"])
