"""What each stage keeps in memory against the size of the corpus: ``memory.json`` and ``memory.svg``.

    python -m benchmarks.memory 10000 100000 1000000

Pairs are made up, the stages run one after another on them in a temporary project, and each is watched from outside.
The larger corpora want some GB of disk below TMPDIR. Val and test are cut to some pairs before `encode`, as scoring a
test set of a hundred thousand pairs would tell of decoding.
"""

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from matplotlib.figure import Figure

from pipeline import paths
from pipeline.preset import overlay, round_trip_yaml
from seq2sum.data.pairs import read_pairs, write_pairs
from seq2sum.files import write_json

STAGES = ("locate", "ingest", "validate", "split", "train_tokenizer", "encode", "train", "evaluate")
RESULTS = Path(__file__).with_suffix(".json")
FIGURE = Path(__file__).with_suffix(".svg")

NUM_WORDS, DOCUMENT_WORDS, SUMMARY_WORDS = 100_000, 60, 8
REPEATED_SHARE = 0.04  # a half of them word for word, a half with a word changed
NUM_SCORED = 200
SAMPLE_SECONDS = 0.05
SOURCE = {
    "kind": "files", "paths": {"all": ["pairs.jsonl"]}, "document": "text", "summary": "title", "id": "id",
    "group": None,
}  # fmt: skip
PARAMS = {
    "train": {
        "model": {"embedding_size": 16, "encoder_size": 16, "decoder_size": 32},
        "pretrain": {"max_steps": 10, "warmup_steps": 5}, "max_steps": 20, "warmup_steps": 5,
        "validate_every": 20, "checkpoint_every": 10, "log_every": 5,
    },
    "evaluate": {"bootstrap_samples": 100, "search": {"max_tokens": 20, "risk_samples": 4}},
}  # fmt: skip


def made_up_pairs(num_pairs: int, seed: int) -> Iterator[dict[str, str]]:
    """Pairs of words that occur as often as Zipf's law says; the summary's words are the document's."""
    rng = np.random.default_rng(seed)
    letters = random.Random(seed)
    vocabulary = ["".join(letters.choices("etaoinshrdlucmf", k=letters.randint(3, 9))) for _ in range(NUM_WORDS)]
    shares = np.cumsum(1 / np.arange(1, NUM_WORDS + 1))
    document: list[str] = []
    for number in range(num_pairs):
        if number and rng.random() < REPEATED_SHARE:
            if rng.random() < 0.5:
                document[rng.integers(DOCUMENT_WORDS)] = vocabulary[rng.integers(NUM_WORDS)]
        else:
            ranks = np.searchsorted(shares, rng.random(DOCUMENT_WORDS) * shares[-1])
            document = [vocabulary[rank] for rank in ranks]
        sentences = [" ".join(document[start : start + 12]) + "." for start in range(0, DOCUMENT_WORDS, 12)]
        title = [document[index] for index in np.sort(rng.permutation(DOCUMENT_WORDS)[:SUMMARY_WORDS])]
        yield {"id": f"pair{number}", "text": " ".join(sentences).title(), "title": " ".join(title)}


def make_project(folder: Path, num_pairs: int) -> None:
    """The files that the stages read."""
    yaml = round_trip_yaml()
    params = yaml.load(paths.PARAMS.read_text(encoding="utf-8"))
    overlay(params, PARAMS, Path(__file__))
    params["ingest"]["source"] = SOURCE
    with (folder / paths.PARAMS).open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
    with (folder / "pairs.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(pair) + "\n" for pair in made_up_pairs(num_pairs, seed=1))


def measure_stages(folder: Path) -> dict[str, dict[str, float]]:
    """Runs the stages in ``folder``: seconds and MiB of each."""
    measured = {}
    for stage in STAGES:
        if stage == "encode":
            for split in ("val", "test"):
                table = folder / f"data/split/{split}.parquet"
                write_pairs(table, list(itertools.islice(read_pairs(table), NUM_SCORED)))
        measured[stage] = _measure(stage, folder)
        print(f"  {stage:<16}" + ", ".join(f"{name} {value:,}" for name, value in measured[stage].items()), flush=True)
    return measured


def _measure(stage: str, folder: Path) -> dict[str, float]:
    root = Path.cwd()
    environment = os.environ | {
        "PYTHONPATH": f"{root / 'src'}:{root}", "SEQ2SUM_TRACKING": "off",
        "SEQ2SUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip
    start = time.perf_counter()
    with (folder / f"{stage}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"pipeline.stages.{stage}"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        own = resident = 0
        while process.poll() is None:
            now = _memory(process.pid)
            own, resident = max(own, now[0]), max(resident, now[1])
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        sys.exit(f"{stage} failed:\n{(folder / f'{stage}.log').read_text()[-2000:]}")
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "own_mib": round(own / 2**20, 1),
        "resident_mib": round(resident / 2**20, 1),
    }


def _memory(pid: int) -> tuple[int, int]:
    """Bytes of a process and its children: their own, and resident with the parts of files that are mapped."""
    own = resident = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            memory = one.memory_info()
            own += memory.rss - memory.shared
            resident += memory.rss
    return own, resident


def draw(results: dict[str, Any]) -> None:
    """Each stage's own memory as bars, one for each size of the corpus."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(results)
    for number, size in enumerate(sorted(results, key=int)):
        values = [results[size]["stages"][stage]["own_mib"] for stage in STAGES]
        places = [place + number * height for place in range(len(STAGES))]
        axes.bar_label(axes.barh(places, values, height, label=f"{int(size):,} pairs"), fmt="%.0f")
    axes.set_yticks(range(len(STAGES)), STAGES)
    axes.invert_yaxis()
    axes.set_xlabel("MiB of their own")
    axes.legend()
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    """Measures each size and writes down what was found, with what earlier calls found for other sizes."""
    for num_pairs in map(int, sys.argv[1:]):
        print(f"{num_pairs:,} pairs", flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_project(folder, num_pairs)
            num_bytes = (folder / "pairs.jsonl").stat().st_size
            measured = {"corpus_mib": round(num_bytes / 2**20, 1), "stages": measure_stages(folder)}
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results[str(num_pairs)] = measured
        write_json(RESULTS, results)
        draw(results)


if __name__ == "__main__":
    main()
