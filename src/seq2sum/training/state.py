"""All that a training carries from step to step, and how a checkpoint holds it."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from seq2sum.config import TrainParams
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.average import WeightAverage
from seq2sum.training.checkpoint import Checkpoint, CheckpointStore
from seq2sum.training.journal import Journal

OPTIMIZER_KEYS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """Where a training stands. ``next_batch`` counts within ``epoch``; ``recent_*`` since the last journal line."""

    step: int = 0
    epoch: int = 0
    next_batch: int = 0
    best_loss: float | None = None
    best_step: int = 0
    bad_validations: int = 0
    recent_loss: float = 0.0
    recent_targets: int = 0
    num_tokens: int = 0
    wall_seconds: float = 0.0


class Training:
    """A model with its optimizer, averages, progress and records, kept in ``folder``.

    There is no random state: batches depend on (seed, epoch) and dropout on (seed, step) alone.
    """

    def __init__(self, model: SummarizerModel, params: TrainParams, folder: Path, device: torch.device) -> None:
        self.model = model.to(device)
        self.params = params
        self.device = device
        self.average = WeightAverage(model, params.ema_decay)
        self.best_weights = [weights.clone() for weights in self.average.weights]
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=params.learning_rate, betas=(0.9, 0.98), weight_decay=params.weight_decay, fused=True
        )
        self.progress = Progress()
        self.store = CheckpointStore(folder)
        self.journal = Journal(folder / "journal.jsonl")
        self.pace = Journal(folder / "pace.jsonl")

    def save(self) -> None:
        """Writes a checkpoint of everything, once there is something; the journals are on the disk before it."""
        if self.progress.step == 0:
            return
        tensors: dict[str, Tensor] = {}
        for index, (name, parameter) in enumerate(self.model.named_parameters()):
            tensors[f"weights/{name}"] = parameter.detach()
            tensors[f"average/{name}"] = self.average.weights[index]
            tensors[f"best/{name}"] = self.best_weights[index]
            # Parameters without a gradient, the copier's where nothing is copied, have no state.
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{key}/{name}"] = value
        facts = {
            "progress": asdict(self.progress),
            "journal_bytes": self.journal.size(),
            "pace_bytes": self.pace.size(),
        }
        self.store.save(self.progress.step, Checkpoint(tensors, facts))

    def resume(self) -> None:
        """Goes back to the newest intact checkpoint, or to the start where there is none."""
        checkpoint = self.store.latest(self.device)
        if checkpoint is None:
            self.journal.cut(0)
            self.pace.cut(0)
            return
        tensors, facts = checkpoint.tensors, checkpoint.facts
        for index, (name, parameter) in enumerate(self.model.named_parameters()):
            parameter.data.copy_(tensors[f"weights/{name}"])
            self.average.weights[index].copy_(tensors[f"average/{name}"])
            self.best_weights[index].copy_(tensors[f"best/{name}"])
            stored = {key: tensors.get(f"optimizer/{key}/{name}") for key in OPTIMIZER_KEYS}
            self.optimizer.state[parameter] = {key: value for key, value in stored.items() if value is not None}
        self.progress = Progress(**facts["progress"])
        self.journal.cut(facts["journal_bytes"])
        self.pace.cut(facts["pace_bytes"])

    def keep_best(self, loss: float) -> None:
        """Takes note of a validation ``loss`` of the averaged weights, and of the weights if it is the lowest yet."""
        progress = self.progress
        if progress.best_loss is not None and loss >= progress.best_loss:
            progress.bad_validations += 1
            return
        progress.best_loss, progress.best_step, progress.bad_validations = loss, progress.step, 0
        for best, averaged in zip(self.best_weights, self.average.weights, strict=True):
            best.copy_(averaged)

    def restore_best(self) -> None:
        """Gives the model the weights with the lowest validation loss."""
        for parameter, best in zip(self.model.parameters(), self.best_weights, strict=True):
            parameter.data.copy_(best)
