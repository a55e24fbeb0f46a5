"""JoeyNMT's RNN on our pieces, in the peers' environment.

``train CONFIG FOLDER SECONDS`` trains for so many own CPU seconds and writes FOLDER/training.json;
``translate FOLDER SOURCE OUTPUT [key=value …]`` runs beam search with the best checkpoint, testing settings changed.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import joeynmt.builders
import torch
import yaml
from budget import Budget, Spent
from joeynmt.config import load_config
from joeynmt.helpers_for_ddp import get_logger
from joeynmt.prediction import translate
from joeynmt.training import TrainManager
from joeynmt.training import train as run_training
from torch.optim.lr_scheduler import ReduceLROnPlateau


def _plateau(verbose: bool = False, **settings: object) -> ReduceLROnPlateau:
    """PyTorch 2.13 refuses the argument ``verbose`` that JoeyNMT 2.3.0 passes."""
    return ReduceLROnPlateau(**settings)


def train(config: Path, folder: Path, seconds: float) -> None:
    """Trains; the best checkpoint by validation loss is FOLDER/best.ckpt."""
    joeynmt.builders.ReduceLROnPlateau = _plateau
    budget = Budget(seconds)
    # A checkpoint is written in a validation; how the loop ends on Spent does not matter, the last weights are judged.
    validate = budget.free(TrainManager._validate)
    TrainManager._validate = validate
    step = budget.charged(TrainManager._train_step)
    managers: list[TrainManager] = []

    def remembered(manager: TrainManager, *args: object) -> object:
        managers[:] = [manager]
        return step(manager, *args)

    loop = TrainManager.train_and_validate

    def within_budget(manager: TrainManager, train_data: object, valid_data: object) -> None:
        try:
            loop(manager, train_data, valid_data)
        except Spent:
            validate(manager, valid_data)

    TrainManager._train_step, TrainManager.train_and_validate = remembered, within_budget
    settings = load_config(config)
    settings["model_dir"] = str(folder)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    settings["testing"]["max_output_length"] = 1  # validations judge the loss; what they would decode serves nobody
    get_logger("", log_file=str(folder / "train.log"))
    start = time.perf_counter()
    run_training(rank=0, world_size=0, cfg=settings, skip_test=True)
    stats = managers[0].stats
    report = {
        "cpu_seconds": budget.used,
        "wall_seconds": time.perf_counter() - start,
        "steps": budget.num_steps,
        "epochs": stats.epochs,
        "best_step": stats.best_ckpt_iter,
        "validation_loss_per_token": stats.best_ckpt_score,
        "num_parameters": sum(parameter.numel() for parameter in managers[0].model.parameters()),
    }
    (folder / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report))


def summarize(folder: Path, source: Path, output: Path, changes: list[str]) -> None:
    """Beam search over the lines of ``source``."""
    settings = load_config(folder / "config.yaml")
    settings["model_dir"] = str(folder)
    settings["testing"].update({key: yaml.safe_load(value) for key, value in (one.split("=") for one in changes)})
    sys.stdin = source.open()
    # JoeyNMT 2.3.0 fails to write to a file by itself; what it prints are the summaries alone.
    with output.open("w") as stream, contextlib.redirect_stdout(stream):
        translate(cfg=settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, *rest = sys.argv[1:]
    if command == "train":
        train(Path(rest[0]), Path(rest[1]), float(rest[2]))
    else:
        summarize(Path(rest[0]), Path(rest[1]), Path(rest[2]), rest[3:])
