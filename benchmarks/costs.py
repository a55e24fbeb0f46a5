"""What safety costs a training, and how soon a summary stands: `python -m benchmarks.costs`, added to results.json.

Of the default params on one thread: checkpoints at their spacing, a tracking server that takes connections and never
answers, and the command line from its start to the first summary. Needs what ``dvc repro encode`` makes.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.overhead import copy_project
from pipeline import paths
from pipeline.hardware import matrix_precision, use_hardware
from seq2sum.data.encoded import EncodedPairs
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.files import write_json
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.params_file import load_params
from seq2sum.summarize import SEARCH_FILE
from seq2sum.training.phase import Likelihood, Phase
from seq2sum.training.state import Training
from seq2sum.training.trainer import fit

RESULTS = Path("benchmarks/results.json")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "SEQ2SUM_THREADS": "1"}
STEPS, SAVES = 120, 4
HUNG_STEPS, ROUNDS = 150, 3
STARTS = 7


class _Watched(Training):
    """Notes the seconds that each checkpoint takes."""

    def save(self) -> None:
        """As it is, and timed."""
        start = time.perf_counter()
        super().save()
        self.seconds = [*getattr(self, "seconds", ()), time.perf_counter() - start]


def checkpoints() -> dict[str, Any]:
    """The seconds of a checkpoint beside those of the steps between two."""
    device, tokenizer = use_hardware(), Tokenizer.load(paths.TOKENIZER)
    usual = load_params(paths.PARAMS).train
    params = usual.model_copy(update={"max_steps": STEPS, "checkpoint_every": STEPS // SAVES})
    model = SummarizerModel(params.model, tokenizer.vocab_size)
    with tempfile.TemporaryDirectory() as store:
        training = _Watched(model, params, Path(store), device, matrix_precision(params.precision, device))
        training.resume()
        pairs = EncodedPairs.open(paths.ENCODED / "train")
        start = time.perf_counter()
        fit(training, [Phase("likelihood", pairs, params, Likelihood(params), "train/loss")])
        seconds = time.perf_counter() - start - sum(training.seconds[1:])
    of_steps, of_save = seconds / STEPS * usual.checkpoint_every, statistics.median(training.seconds[1:])
    unit = f"seconds for a checkpoint beside those for the {usual.checkpoint_every} steps between two"
    return {"ours": round(of_save, 3), "peer": round(of_steps, 2), "ratio": round(of_save / of_steps, 4), "unit": unit}


def hanging_server() -> dict[str, Any]:
    """The training loop's seconds with a server that never answers, beside those without tracking; in turns."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        copy_project(project, HUNG_STEPS)
        hung = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.getsockname()[1]}"}
        rounds = [
            [_loop_seconds(project, settings) for settings in (hung, {"SEQ2SUM_TRACKING": "off"})]
            for _ in range(ROUNDS)
        ]
    ours, peer = (min(seconds) for seconds in zip(*rounds, strict=True))
    unit = f"seconds of the training loop for {HUNG_STEPS} steps; the peer is the same without tracking"
    return {"ours": round(ours, 2), "peer": round(peer, 2), "ratio": round(ours / peer, 4), "unit": unit}


def start() -> dict[str, Any]:
    """The seconds of `seq2sum summarize` for one short text, from its start to its end: the median of warm ones."""
    params, tokenizer = load_params(paths.PARAMS), Tokenizer.load(paths.TOKENIZER)
    model = SummarizerModel(params.train.model, tokenizer.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model, tokenizer, params.encode.max_source_tokens)
        write_json(Path(folder) / "model" / SEARCH_FILE, params.evaluate.search.model_dump())
        text = Path(folder) / "text.txt"
        text.write_text("The gate of an LSTM decides what its cell keeps, takes in and shows.\n")
        command = [sys.executable, "-m", "pipeline.cli", "summarize", "--model", f"{folder}/model", str(text)]
        command += ["--max-tokens", "12"]
        seconds = []
        for _ in range(STARTS):
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - begun)
    unit = f"seconds from the command's start to its end, one short text, median of {STARTS - 1} warm ones"
    return {"ours": round(statistics.median(seconds[1:]), 2), "unit": unit}


def _loop_seconds(project: Path, settings: dict[str, str]) -> float:
    """What the training itself notes as its seconds, from its first step to its last."""
    shutil.rmtree(project / paths.CHECKPOINTS, ignore_errors=True)
    environment = os.environ | {"PYTHONPATH": ".:src"} | settings
    command = [sys.executable, "-m", "pipeline.stages.train"]
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    return float(json.loads((project / paths.TRAIN_REPORT).read_bytes())["wall_seconds"])


def main() -> None:
    """The command line: measures, and adds to results.json."""
    # For what is measured in this process too: `use_hardware` reads it.
    os.environ |= ONE_THREAD
    costs = {"checkpoints": checkpoints(), "hanging_server": hanging_server(), "start": start()}
    results = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    write_json(RESULTS, results | costs)
    print(json.dumps(costs, indent=2))


if __name__ == "__main__":
    main()
