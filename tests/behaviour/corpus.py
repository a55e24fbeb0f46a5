"""A copy of the project over a small corpus of made-up pairs."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
NOUNS = [
    "tree",
    "graph",
    "table",
    "server",
    "map",
    "clock",
    "mail",
    "photo",
    "file",
    "note",
    "song",
    "game",
    "lamp",
    "road",
    "ship",
]
VERBS = ["draw", "sort", "read", "send", "find", "show", "count", "hide", "move", "keep"]


def made_up_pair(rng: random.Random) -> dict[str, str]:
    noun, verb, where, other = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(NOUNS), rng.choice(NOUNS)
    words = " ".join(rng.choice(NOUNS) for _ in range(12))
    return {"text": f"This tool can {verb} every {noun} by {where}. It needs no {other} and knows {words}.",
            "title": f"{verb} {noun} by {where}"}  # fmt: skip


def make_project(folder: Path, num_pairs: int) -> None:
    """A git repository with the project's code, small settings and ``num_pairs`` pairs; nothing is run or committed."""
    folder.mkdir(exist_ok=True)
    for name in ("dvc.yaml", "params.yaml", "prefect.yaml", "tune.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "pipeline", "study", ".dvc"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    with (folder / "pairs.jsonl").open("w") as stream:
        rng = random.Random(1)
        stream.writelines(json.dumps(made_up_pair(rng)) + "\n" for _ in range(num_pairs))
    set_params(
        folder,
        {
            "ingest.source": {
                "kind": "files", "paths": {"all": ["pairs.jsonl"]}, "document": "text", "summary": "title",
                "id": None, "group": None,
            },
            "validate.min_document_words": 5, "split.near_duplicate_similarity": 1.0, "train_tokenizer.vocab_size": 400,
            "train.model.embedding_size": 16, "train.model.encoder_size": 16, "train.model.decoder_size": 24,
            "train.max_steps": 60, "train.batch_tokens": 600, "train.validate_every": 20, "train.checkpoint_every": 10,
            "train.pretrain.max_steps": 20, "train.reward.max_steps": 20,
            "train.log_every": 5, "train.warmup_steps": 10, "evaluate.bootstrap_samples": 200,
            "evaluate.search.max_tokens": 12,
        },
    )  # fmt: skip
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    ignored = ("/.cache/", "/data/", "/models/", "/reports/", "/mlflow.db", "/mlartifacts/", "__pycache__/", "*.log")
    (folder / ".gitignore").write_text("\n".join(ignored) + "\n")


def set_params(folder: Path, changes: dict[str, object]) -> None:
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for path, value in changes.items():
        *sections, key = path.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[key] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
