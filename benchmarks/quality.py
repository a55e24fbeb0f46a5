"""Keeps the scores of the evaluation that stands in reports/ as a row of benchmarks/quality.json.

``python -m benchmarks.quality CORPUS PRESET`` after ``dvc repro``; a row of the same corpus, preset, seed, search
and changed params gives way.
"""

import argparse
import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

from pipeline import lineage, paths
from pipeline.preset import overlay
from seq2sum.files import write_json
from seq2sum.params_file import load_params, parse_yaml

ROWS = Path("benchmarks/quality.json")
# Where a corpus lies is its user's affair.
SOURCE = "ingest.source."


def row(corpus: str, preset: str) -> dict[str, Any]:
    """The whole test split's scores with intervals, the lead's, the cost, and what made them."""
    scores, train = json.loads(paths.SCORES.read_bytes()), json.loads(paths.TRAIN_REPORT.read_bytes())
    machine = lineage.machine_tags()
    return {
        "corpus": corpus,
        "preset": preset,
        "seed": load_params(paths.PARAMS).train.seed,
        "num_test_pairs": scores["num_pairs"],
        "signature": scores["signature"],
        "model": scores["systems"]["model"],
        scores["best_lead"]: scores["systems"][scores["best_lead"]],
        "paired": scores["paired"],
        "train_seconds": train["wall_seconds"],
        "train_steps": train["steps"],
        "num_parameters": train["num_parameters"],
        "precision": train["precision"],
        "machine": {key: machine[key] for key in ("cpu", "cpu_cores", "threads", "gpu")},
        "torch": importlib.metadata.version("torch"),
        "git_sha": lineage.code_tags()["git_sha"],
        "command": f"make preset PRESET={preset}, the corpus and changed_params in params.yaml, make run",
        "changed_params": changed_params(preset),
        # In full: a commit may change a default.
        "search": load_params(paths.PARAMS).evaluate.search.model_dump(),
    }


def changed_params(preset: str) -> dict[str, str]:
    """The values of params.yaml that the commit's own, with ``preset`` written over them, do not have."""
    committed = subprocess.run(["git", "show", f"HEAD:{paths.PARAMS}"], capture_output=True, text=True, check=True)
    expected = parse_yaml(committed.stdout)
    for name in ("default", preset):
        path = paths.PRESETS / f"{name}.yaml"
        overlay(expected, parse_yaml(path.read_text(encoding="utf-8")), path)
    flat = lineage.flat(expected)
    present = lineage.flat_params(paths.PARAMS)
    return {key: value for key, value in present.items() if not key.startswith(SOURCE) and flat.get(key) != value}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("preset")
    arguments = parser.parse_args()
    new = row(arguments.corpus, arguments.preset)
    rows = json.loads(ROWS.read_bytes()) if ROWS.exists() else []
    identity = ("corpus", "preset", "seed", "changed_params", "search")
    kept = [old for old in rows if any(old[key] != new[key] for key in identity)]
    write_json(ROWS, sorted([*kept, new], key=lambda one: [str(one[key]) for key in identity]))
    print(f"{ROWS}: {len(kept) + 1} rows")


if __name__ == "__main__":
    main()
