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
    """Where a training stands. ``next_batch`` counts within ``epoch``; ``recent_*`` since the last journal line.

    ``step`` and ``epoch`` count on through the phases; the phase began after ``phase_start`` steps.
    """

    phase: int = 0
    phase_start: int = 0
    step: int = 0
    epoch: int = 0
    next_batch: int = 0
    best_value: float | None = None
    best_step: int = 0
    bad_validations: int = 0
    rate_scale: float = 1.0
    incidents: int = 0
    usual_loss: float | None = None
    recent_total: float = 0.0
    recent_count: int = 0
    num_tokens: int = 0
    wall_seconds: float = 0.0

    @property
    def phase_step(self) -> int:
        """Steps since the phase began."""
        return self.step - self.phase_start


class Training:
    """A model with its optimizer, averages, progress and records, kept in ``folder``.

    There is no random state: batches depend on (seed, epoch) and dropout on (seed, step) alone. Matrix products run in
    ``precision``.
    """

    def __init__(
        self,
        model: SummarizerModel,
        params: TrainParams,
        folder: Path,
        device: torch.device,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.model = model.to(device)
        self.params = params
        self.device = device
        self.precision = precision
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
        """Writes a checkpoint of everything; the journals are on the disk before it."""
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
        """Goes back to the newest intact checkpoint; where there is none, this start becomes the first."""
        checkpoint = self.store.latest(self.device)
        if checkpoint is None:
            self.journal.cut(0)
            self.pace.cut(0)
            self.save()
            return
        tensors, facts = checkpoint.tensors, checkpoint.facts
        self.optimizer.state.clear()
        for index, (name, parameter) in enumerate(self.model.named_parameters()):
            parameter.data.copy_(tensors[f"weights/{name}"])
            self.average.weights[index].copy_(tensors[f"average/{name}"])
            self.best_weights[index].copy_(tensors[f"best/{name}"])
            stored = {key: tensors.get(f"optimizer/{key}/{name}") for key in OPTIMIZER_KEYS}
            if any(value is not None for value in stored.values()):
                self.optimizer.state[parameter] = {key: value for key, value in stored.items() if value is not None}
        self.progress = Progress(**facts["progress"])
        self.journal.cut(facts["journal_bytes"])
        self.pace.cut(facts["pace_bytes"])

    def keep_best(self, value: float, higher_is_better: bool) -> None:
        """Takes note of a validation's ``value`` of the averaged weights, and of the weights if it is the best yet."""
        progress = self.progress
        best = progress.best_value
        if best is not None and (value <= best if higher_is_better else value >= best):
            progress.bad_validations += 1
            return
        progress.best_value, progress.best_step, progress.bad_validations = value, progress.step, 0
        self._keep_average()

    def end_phase(self) -> None:
        """Gives the model the phase's best weights, or its last averages if none were picked; the next phase begins."""
        progress = self.progress
        if progress.best_value is None:
            self._keep_average()
            progress.best_step = progress.step
        self._restart_from(self.best_weights)
        self.progress = Progress(
            phase=progress.phase + 1,
            phase_start=progress.step,
            step=progress.step,
            epoch=progress.epoch + 1,
            best_step=progress.best_step,
            incidents=progress.incidents,
            num_tokens=progress.num_tokens,
            wall_seconds=progress.wall_seconds,
        )

    def _keep_average(self) -> None:
        for best, averaged in zip(self.best_weights, self.average.weights, strict=True):
            best.copy_(averaged)

    def _restart_from(self, weights: list[Tensor]) -> None:
        self.optimizer.state.clear()
        for parameter, averaged, value in zip(self.model.parameters(), self.average.weights, weights, strict=True):
            parameter.data.copy_(value)
            averaged.copy_(value)
