"""Stage corpus: trains and evaluates the summarizer with one encoder: ``python -m study.corpus ENCODER [--pairs N]``.

It runs the main pipeline's own stages in a folder of its own, with changed params, so that what a training is stands
in one place only.
"""

import argparse
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pipeline import paths
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.runner import run_guarded
from pipeline.stages.train import train
from pipeline.tracking.journal import read_journal
from seq2sum.config import EncoderKind
from seq2sum.data.pairs import Pair, read_pairs, write_pairs
from seq2sum.evaluation.rouge import ROUGE_TYPES
from seq2sum.evaluation.system_outputs import read_outputs
from seq2sum.files import write_json
from seq2sum.params_file import load_yaml, parse_yaml
from study import settings
from study.networks import params_with
from study.settings import CorpusParams, StudyParams


def measure_corpus(encoder: EncoderKind, num_pairs: int | None, params: CorpusParams) -> dict[str, Any]:
    """Trains on ``num_pairs`` pairs (None for all) and returns what the page wants to know."""
    changed = params_with(encoder, params)
    tables = {
        paths.TRAIN_PAIRS: drawn(paths.TRAIN_PAIRS, num_pairs, params.seed),
        paths.VAL_PAIRS: drawn(paths.VAL_PAIRS, None, params.seed),
        paths.TEST_PAIRS: drawn(paths.TEST_PAIRS, params.num_test_pairs, params.seed),
    }
    tokenizer = paths.TOKENIZER.resolve(strict=True)
    settings.WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.WORK) as folder, contextlib.chdir(folder):
        for path, pairs in tables.items():
            write_pairs(path, pairs)
        paths.TOKENIZER.parent.mkdir()
        paths.TOKENIZER.symlink_to(tokenizer)
        encode(changed)
        cpu = time.process_time()
        train(changed)
        cpu = time.process_time() - cpu
        evaluate(changed)
        return {
            "encoder": encoder,
            "num_pairs": len(tables[paths.TRAIN_PAIRS]),
            "cpu_seconds": cpu,
            **training_facts(),
            **scores_by_pair(),
        }


def drawn(path: Path, num_pairs: int | None, seed: int) -> Sequence[Pair]:
    """So many pairs of a table, drawn by ``seed``: fewer are always among more. All, if there are fewer or for None."""
    pairs = list(read_pairs(path))
    random.Random(seed).shuffle(pairs)
    return pairs[:num_pairs]


def training_facts() -> dict[str, Any]:
    """Size, steps and time of the training in the present folder, and its validation losses by step."""
    report = parse_yaml(paths.TRAIN_REPORT.read_text(encoding="utf-8"))
    losses = [point for point in read_journal(paths.JOURNAL) if point.key == "validation/loss"]
    return {
        **{key: report[key] for key in ("num_parameters", "steps", "wall_seconds", "tokens_per_second")},
        "validation": {"steps": [point.step for point in losses], "losses": [point.value for point in losses]},
    }


def scores_by_pair() -> dict[str, Any]:
    """The ROUGE scores of the model and of the lead baseline for every test pair in the present folder."""
    outputs = read_outputs(paths.HYPOTHESES)
    return {
        "signature": outputs.scores["model"].signature,
        "rouge": {
            system: {kind: outputs.scores[system].values[kind].round(4).tolist() for kind in ROUGE_TYPES}
            for system in ("model", "lead")
        },
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", choices=get_args(EncoderKind))
    parser.add_argument("--pairs", type=int, help="training pairs; default: all")
    arguments = parser.parse_args()
    os.environ["SEQ2SUM_TRACKING"] = "off"

    def stage() -> None:
        params = load_yaml(settings.PARAMS, StudyParams).corpus
        measured = measure_corpus(arguments.encoder, arguments.pairs, params)
        write_json(settings.corpus_file(arguments.encoder, arguments.pairs), measured)

    run_guarded("corpus", stage)


if __name__ == "__main__":
    main()
