"""The train key: what makes two trainings the same one."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import seq2sum

# The rooms whose code shapes the weights; search and evaluation may change without a new training.
ROOMS = ("config.py", "data", "model", "training")


def train_key(data_digest: str, config: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 over the data, every value that training reads, the code and PyTorch's version.

    Only a training with the same key may resume a checkpoint.
    """
    facts = {
        "data": data_digest,
        "config": config,
        "code": _code_digest(Path(seq2sum.__path__[0])),
        "torch": torch.__version__.partition("+")[0],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _code_digest(package: Path) -> str:
    digest = hashlib.sha256()
    for room in ROOMS:
        for file in sorted([package / room, *(package / room).rglob("*.py")]):
            if file.suffix == ".py":
                digest.update(f"{file.relative_to(package)}\0{len(file.read_bytes())}\0".encode() + file.read_bytes())
    return digest.hexdigest()
