"""What each feature is worth: trainings of one budget that differ in one thing, scored on val.

``python -m benchmarks.ablations SEED... [--runs NAME...]`` after ``dvc repro encode``. benchmarks/ablations.yaml says
which; every run is compared with the first of its seed, pair by pair. benchmarks/ablations.json keeps what is done.
"""

import argparse
import contextlib
import copy
import json
import os
import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.preset import overlay
from pipeline.stages.train import train
from pipeline.tracking.journal import read_journal
from pipeline.workers import num_workers
from seq2sum.config import Params, SearchParams
from seq2sum.data.pairs import read_pairs
from seq2sum.evaluation.rouge import ROUGE_TYPES, RougeScores, score_systems
from seq2sum.evaluation.significance import paired_bootstrap
from seq2sum.files import write_json
from seq2sum.params_file import checked, parse_yaml
from seq2sum.summarize import Summarizer

RUNS = Path("benchmarks/ablations.yaml")
ROWS = Path("benchmarks/ablations.json")
WORK = Path(".cache/ablations")
BOOTSTRAP_SAMPLES = 2000


class Bench:
    """The val pairs to score on, and what is known already."""

    def __init__(self, num_pairs: int) -> None:
        self._pairs = list(islice(read_pairs(paths.VAL_PAIRS), num_pairs))
        self.rows: list[dict[str, Any]] = json.loads(ROWS.read_bytes()) if ROWS.exists() else []

    def scores(self, folder: Path, params: Params, changes: Mapping[str, Any] | None = None) -> RougeScores:
        """ROUGE of the model in ``folder`` by its search with ``changes``."""
        search = SearchParams.model_validate(params.evaluate.search.model_dump() | dict(changes or {}))
        documents = [pair.document for pair in self._pairs]
        hypotheses = [summary.text for summary in Summarizer.load(folder).summarize(documents, search)]
        references = [pair.summary for pair in self._pairs]
        return score_systems({"model": hypotheses}, references, params.evaluate.rouge, num_workers())["model"]

    def keep(self, name: str, seed: int, scores: RougeScores, base: RougeScores, facts: Mapping[str, Any]) -> None:
        """Writes a row, in the place of an older one of that name and seed."""
        comparison = paired_bootstrap(scores.table(), base.table(), BOOTSTRAP_SAMPLES, seed)
        compared = {
            kind: {"delta": round(float(delta), 2), "p": round(float(p), 4)}
            for kind, delta, p in zip(ROUGE_TYPES, comparison.delta, comparison.p, strict=True)
        }
        means = {kind: round(mean, 2) for kind, mean in scores.means().items()}
        row = {"name": name, "seed": seed, "num_pairs": len(self._pairs), **means, "against_base": compared, **facts}
        self.rows = [*(old for old in self.rows if (old["name"], old["seed"]) != (name, seed)), row]
        write_json(ROWS, self.rows)
        print(f"{name:<24} seed {seed}  R-1 {means['rouge1']:.2f} ({compared['rouge1']['delta']:+.2f})", flush=True)


def trained(params: Params, folder: Path) -> dict[str, Any]:
    """Trains into ``folder`` on what the pipeline has encoded, unless it was done before; what there is to tell."""
    facts = folder / "facts.json"
    if not facts.exists():
        data = Path("data").resolve(strict=True)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work, contextlib.chdir(work):
            Path("data").symlink_to(data)
            train(params)
            report = json.loads(paths.TRAIN_REPORT.read_bytes())
            losses = [point.value for point in read_journal(paths.JOURNAL) if point.key == "validation/loss"]
            kept = ("num_parameters", "steps", "wall_seconds", "tokens_per_second", "precision")
            paths.MODEL.rename(folder / "model")
            write_json(facts, {"val_loss": round(min(losses), 4), **{key: report[key] for key in kept}})
    found: dict[str, Any] = json.loads(facts.read_bytes())
    return found


def main() -> None:
    """The command line."""
    plan = parse_yaml(RUNS.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--runs", nargs="+", choices=[*plan["runs"]], default=[*plan["runs"]], metavar="NAME")
    arguments = parser.parse_args()
    os.environ["SEQ2SUM_TRACKING"] = "off"
    WORK.mkdir(parents=True, exist_ok=True)
    work, (first, *_) = WORK.resolve(), plan["runs"]
    bench, written = Bench(plan["num_pairs"]), parse_yaml(paths.PARAMS.read_text(encoding="utf-8"))
    for seed in arguments.seeds:
        base: RougeScores | None = None
        for name in dict.fromkeys([first, *arguments.runs]):
            document = copy.deepcopy(written)
            for changes in (plan["budget"], plan["runs"][name], {"train": {"seed": seed}}):
                overlay(document, changes, RUNS)
            params = checked(document, RUNS, Params)
            folder = work / f"{name}-{seed}".replace(" ", "_")
            facts = trained(params, folder)
            scores = bench.scores(folder / "model", params)
            base = base or scores
            bench.keep(name, seed, scores, base, {"changes": plan["runs"][name], **facts})
            if name == first:
                for search, changes in plan["searches"].items():
                    found = bench.scores(folder / "model", params, changes)
                    bench.keep(search, seed, found, base, {"changes": {"evaluate": {"search": changes}}})


if __name__ == "__main__":
    main()
