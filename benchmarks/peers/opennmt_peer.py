"""OpenNMT-py's RNN on our pieces, in the peers' environment.

``train CONFIG FOLDER SECONDS`` trains for so many own CPU seconds and writes FOLDER/training.json;
``translate FOLDER SOURCE OUTPUT [option …]`` runs beam search with the best checkpoint.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import onmt.bin.train
import onmt.bin.translate
import torch
from budget import Budget, Spent
from onmt.trainer import Trainer

BEST = "best.pt"


def train(config: Path, folder: Path, seconds: float) -> None:
    """Trains; the best checkpoint by validation perplexity is FOLDER/best.pt."""
    budget = Budget(seconds)
    found: dict[str, Any] = {"best_step": 0, "validation_perplexity": float("inf")}
    validate, loop = Trainer.validate, Trainer.train

    @budget.free
    def judged(trainer: Trainer, valid_iter: object, moving_average: object = None) -> object:
        statistics = validate(trainer, valid_iter, moving_average)
        step = trainer.optim.training_step
        print(f"step {step}: validation perplexity {statistics.ppl():.3f}, {budget.used:.0f} CPU s", flush=True)
        if statistics.ppl() < found["validation_perplexity"]:
            found.update(best_step=step, validation_perplexity=statistics.ppl())
            path, _ = trainer.model_saver._save(step, trainer.model)
            Path(path).replace(folder / BEST)
        return statistics

    def within_budget(trainer: Trainer, *args: Any, valid_iter: object, **settings: Any) -> None:
        found["num_parameters"] = sum(parameter.numel() for parameter in trainer.model.parameters())
        try:
            loop(trainer, *args, valid_iter=valid_iter, **settings)
        except Spent:
            trainer.validate(valid_iter)

    Trainer.validate, Trainer.train = judged, within_budget
    Trainer._gradient_accumulation = budget.charged(Trainer._gradient_accumulation)
    folder.mkdir(parents=True)
    start = time.perf_counter()
    sys.argv = ["onmt_train", "-config", str(config), "-save_model", str(folder / "model")]
    onmt.bin.train.main()
    report = {
        **found,
        "cpu_seconds": budget.used,
        "wall_seconds": time.perf_counter() - start,
        "steps": budget.num_steps,
    }
    (folder / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report))


def summarize(folder: Path, source: Path, output: Path, options: list[str]) -> None:
    """Beam search over the lines of ``source``."""
    sys.argv = ["onmt_translate", "-model", str(folder / BEST), "-src", str(source), "-output", str(output), *options]
    onmt.bin.translate.main()


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, *rest = sys.argv[1:]
    if command == "train":
        train(Path(rest[0]), Path(rest[1]), float(rest[2]))
    else:
        summarize(Path(rest[0]), Path(rest[1]), Path(rest[2]), rest[3:])
