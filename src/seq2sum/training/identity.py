"""The train key: what makes two trainings the same one."""

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import seq2sum

# The code that shapes the weights; the rest of the library may change without a new training.
SHAPING_CODE = (
    "data/batch.py",
    "data/encoded.py",
    "data/tokenizer.py",
    "decoding/sampling.py",
    "decoding/state.py",
    "drawing.py",
    "evaluation/fast_rouge.py",
    "model",
    "reward.py",
    "training",
)
# The packages whose results go into the weights.
COMPUTING = ("numpy", "rouge-score-rs", "torch")


def train_key(data_digest: str, config: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 over the data, every value that training reads, the code, and the versions of what computes.

    Only a training with the same key may resume a checkpoint.
    """
    facts = {
        "data": data_digest,
        "config": config,
        "code": _code_digest(Path(seq2sum.__path__[0])),
        "versions": {name: metadata.version(name).partition("+")[0] for name in COMPUTING},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _code_digest(package: Path) -> str:
    digest = hashlib.sha256()
    for part in (package / name for name in SHAPING_CODE):
        for file in [part] if part.is_file() else sorted(part.rglob("*.py")):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(package)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
