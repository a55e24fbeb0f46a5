"""A project folder as `dvc repro` leaves it, with a small untrained model, and a stand-in for its trainer."""

import functools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from pipeline import publish
from pipeline.data_at_hand import md5_of
from pipeline.tracking.registry import Version
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.evaluation.baselines import lead_words
from seq2sum.evaluation.rouge import score_systems
from seq2sum.evaluation.system_outputs import SystemOutputs, write_outputs
from tests.evaluation.texts import PORTER

REPO = Path(__file__).parents[3]
TRAIN_KEY = "ab12" * 16
STEPS = range(10, 60, 10)
NUM_TEST_PAIRS = 240
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SHORT = {"min_tokens": 4, "max_tokens": 8}
LONGER = {"min_tokens": 12, "max_tokens": 24, "block_ngrams": 2}
TEXTS = ["The ferry leaves at noon and comes back before dark.", "A baker counts loaves; the mill counts sacks."]

# Writes a journal line per step from `start` to `stop`, `pause` seconds apart, then does what `end` says.
TRAINER = """
import json, os, signal, sys, time
from pathlib import Path
from pipeline.tracking.live import live_curves
folder, start, stop, pause, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
with live_curves(folder, sys.argv[6]):
    slowest = 0.0
    for step in range(start, stop):
        began = time.perf_counter()
        for name, values in (("journal", {"train/loss": 1 / step}), ("pace", {"pace/tokens_per_second": time.time()})):
            with (folder / f"{name}.jsonl").open("a") as stream:
                stream.write(json.dumps({"step": step, "phase": "likelihood", "values": values}) + "\\n")
        slowest = max(slowest, time.perf_counter() - began)
        time.sleep(pause)
    print(slowest, flush=True)
    if end == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "raise":
        raise RuntimeError("loss is not a number")
"""


def journal_lines(steps: range = STEPS) -> list[dict[str, Any]]:
    return [
        {"step": step, "phase": "likelihood", "values": {"train/loss": 1 / step, "validation/loss": 2 / step}}
        for step in steps
    ]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def make_model(folder: Path, seed: int = 5, search: Mapping[str, int] = SHORT) -> None:
    import torch

    from seq2sum.data.tokenizer import EOS, Tokenizer
    from seq2sum.model.folder import save_model
    from seq2sum.model.summarizer import SummarizerModel
    from seq2sum.summarize import save_search
    from tests.decoding.tables import search_params
    from tests.model.tiny import tiny_params

    torch.manual_seed(seed)
    tokenizer = Tokenizer.train(TEXTS, vocab_size=300, min_frequency=2)
    model = SummarizerModel(tiny_params(), tokenizer.vocab_size)
    # Likely to end, so that the least number of tokens makes a difference.
    model.output_bias.data[EOS] = 4.0
    save_model(folder, model, tokenizer, max_source_tokens=50)
    save_search(folder, search_params(beam_size=3, length_penalty=0.6, **search))


def make_scores(rouge1: float = 40.0) -> dict[str, Any]:
    systems = {
        system: {kind: [value, value - 1, value + 1] for kind in ROUGE}
        for system, value in {
            "model": rouge1,
            "lead": 34.0,
            "first_sentence": 33.0,
            "random": 20.0,
            "oracle": 60.0,
        }.items()
    }
    return {
        "signature": "rouge-score:0.1.2",
        "num_pairs": 20,
        "systems": systems,
        "paired": {kind: {"delta": rouge1 - 34.0, "p": 0.01} for kind in ROUGE},
        "best_lead": "lead",
        "num_lead_words": 12,
        "statistics": {system: {"length_ratio": 0.9, "repeated_trigrams": 0.1} for system in systems},
        "train": {"wall_seconds": 30.0, "tokens_per_second": 1000.0, "num_parameters": 1234},
        "verdict": "The model is better.",
    }


@functools.cache
def made_up_pairs() -> list[Pair]:
    """Documents of 30 different words, summed up by six of them that stand together."""
    rng = random.Random(6)
    drawn = [rng.sample(range(1000), 30) for _ in range(NUM_TEST_PAIRS)]
    documents = [[f"{chr(97 + number % 26)}ord{number}" for number in numbers] for numbers in drawn]
    return [Pair(f"p{row}", f"g{row}", " ".join(words), " ".join(words[10:16])) for row, words in enumerate(documents)]


def summaries_of(model: Path, pairs: list[Pair]) -> list[str]:
    """What the model in that folder writes of the documents."""
    from seq2sum.summarize import Summarizer

    summarizer = Summarizer.load(model)
    assert summarizer.search is not None
    return [summary.text for summary in summarizer.summarize([pair.document for pair in pairs], summarizer.search)]


def rival_pairs(rivals: dict[Path, float]) -> list[Pair]:
    """Pairs whose reference is what one of the models writes, each model's on a share of them, so that it is as good.

    ``rivals``: model folders and their shares, which add up to 1.
    """
    pairs, rng = made_up_pairs(), random.Random(7)
    written = [summaries_of(model, pairs) for model in rivals]
    chosen = rng.choices(range(len(rivals)), [*rivals.values()], k=len(pairs))
    rows = enumerate(zip(pairs, chosen, strict=True))
    return [replace(pair, summary=written[number][row]) for row, (pair, number) in rows]


def make_test_set(folder: Path, pairs: list[Pair], hypotheses: list[str]) -> None:
    """The test pairs, what a model wrote of them, and a baseline."""
    references, leads = [pair.summary for pair in pairs], [lead_words(pair.document, 6) for pair in pairs]
    systems = {"model": hypotheses, "lead": leads}
    scores = score_systems(systems, references, PORTER, num_workers=1)
    write_pairs(folder / "data/split/test.parquet", pairs)
    outputs = SystemOutputs([pair.id for pair in pairs], references, systems, scores)
    write_outputs(folder / "reports/hypotheses.parquet", outputs)


def make_project(folder: Path, model: Path) -> None:
    """``model``: a model folder to copy."""
    make_test_set(folder, made_up_pairs(), summaries_of(model, made_up_pairs()))
    (folder / "data/raw").mkdir()
    (folder / "requirements").mkdir()
    (folder / "requirements/lock.txt").write_text("torch==2.13.0\n")
    card = {"origin": "Made-up texts", "release": "1", "licence": "Public domain", "num_pairs": 300}
    (folder / "data/raw/card.json").write_text(json.dumps(card))
    shutil.copy(REPO / "params.yaml", folder / "params.yaml")
    shutil.copytree(model, folder / "models/summarizer")
    write_lines(folder / "reports/journal.jsonl", journal_lines())
    train = {
        "train_key": TRAIN_KEY,
        "num_devices": 2,
        "wall_seconds": 30.0,
        "tokens_per_second": 1000.0,
        "num_parameters": 1234,
    }
    (folder / "reports/train.json").write_text(json.dumps(train))
    (folder / "reports/scores.json").write_text(json.dumps(make_scores()))
    (folder / "reports/gate_simulation.json").write_text("{}")
    write_lock(folder)


def write_lock(folder: Path) -> None:
    """A dvc.lock with the true hash of the splits; the files that were encoded are gone."""
    entry = {"hash": "md5", "size": 3}
    params = yaml.safe_load((folder / "params.yaml").read_text())
    judged = [{"path": f"reports/{name}", "md5": "1" * 32, **entry} for name in ("scores.json", "hypotheses.parquet")]
    stages = {
        "split": {"outs": [{"path": "data/split", "md5": md5_of(folder / "data/split"), **entry}]},
        "evaluate": {"params": {"params.yaml": {"evaluate": params["evaluate"]}}, "outs": judged},
        "encode": {
            "deps": [{"path": f"data/split/{name}.parquet", "md5": name[0] * 32, **entry} for name in ("train", "val")]
        },
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def environment(tracking_uri: str) -> dict[str, str]:
    """For processes that work in a project folder as if this project were installed."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    own = {"PYTHONPATH": f"{REPO / 'src'}:{REPO}", "MLFLOW_TRACKING_URI": tracking_uri, "OMP_NUM_THREADS": "1"}
    return inherited | own


def start_trainer(
    folder: Path, steps: range, pause: float, end: str, tracking_uri: str, train_key: str = TRAIN_KEY
) -> "subprocess.Popen[str]":
    """Starts the stand-in trainer in the project ``folder``; it prints the longest time that a step took."""
    (folder / "trainer.py").write_text(TRAINER)
    arguments = [".cache/checkpoints/" + train_key, str(steps.start), str(steps.stop), str(pause), end, train_key]
    return subprocess.Popen(
        [sys.executable, "trainer.py", *arguments],
        cwd=folder,
        env=environment(tracking_uri),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def publish_model(
    folder: Path, model: Path, pairs: list[Pair], rouge1: float = 40.0, hypotheses: list[str] | None = None
) -> Version:
    """Publishes the model in the project that is the working folder, with that score of the test pairs.

    ``hypotheses``: what is recorded as its summaries in place of those that it writes.
    """
    shutil.rmtree(folder / "models/summarizer")
    shutil.copytree(model, folder / "models/summarizer")
    make_test_set(folder, pairs, hypotheses or summaries_of(model, pairs))
    (folder / "reports/scores.json").write_text(json.dumps(make_scores(rouge1)))
    write_lock(folder)
    return publish.publish(publish.read_results()).version


def write_params(folder: Path, **sections: dict[str, Any]) -> None:
    """Changes values of params.yaml."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in sections.items():
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
