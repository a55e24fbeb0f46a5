"""All that a training carries from step to step, and how a checkpoint holds it."""

import bisect
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from seq2sum.config import TrainParams
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.adamw import AdamW
from seq2sum.training.average import WeightAverage
from seq2sum.training.checkpoint import Checkpoint, CheckpointStore
from seq2sum.training.distributed import ALONE, Ranks
from seq2sum.training.journal import Journal, NoJournal

OPTIMIZER_KEYS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """Where a training stands. ``next_batch`` counts within ``epoch``; ``recent_*`` since the last journal line.
    ``best_values`` are the phase's best validations, the best first; ``validation_due`` says that one was not finished.

    ``step`` and ``epoch`` count on through the phases; the phase began after ``phase_start`` steps.
    """

    phase: int = 0
    phase_start: int = 0
    step: int = 0
    epoch: int = 0
    next_batch: int = 0
    validation_due: bool = False
    bad_validations: int = 0
    rate_scale: float = 1.0
    best_step: int = 0
    best_values: list[float] = field(default_factory=list)
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
    ``precision``. Of several ``ranks`` only the first writes. The newest ``num_checkpoints`` are kept.
    """

    def __init__(
        self,
        model: SummarizerModel,
        params: TrainParams,
        folder: Path,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        ranks: Ranks = ALONE,
        num_checkpoints: int = 2,
    ) -> None:
        self.model = model.to(device)
        self.params = params
        self.device = device
        self.precision = precision
        self.ranks = ranks
        self.average = WeightAverage(model, params.ema_decay)
        self.best_weights: list[list[Tensor]] = []
        self.optimizer = AdamW(model.parameters(), params.weight_decay)
        self.progress = Progress()
        self.store = CheckpointStore(folder, num_checkpoints)
        self.journal = Journal(folder / "journal.jsonl") if self.ranks.is_first else NoJournal()
        self.pace = Journal(folder / "pace.jsonl") if self.ranks.is_first else NoJournal()

    def save(self) -> None:
        """Writes a checkpoint of everything; the journals are on the disk before it."""
        if not self.ranks.is_first:
            return
        tensors: dict[str, Tensor] = {}
        for index, (name, parameter) in enumerate(self.model.named_parameters()):
            tensors[f"weights/{name}"] = parameter.detach()
            tensors[f"average/{name}"] = self.average.weights[index]
            for rank, weights in enumerate(self.best_weights):
                tensors[f"best-{rank}/{name}"] = weights[index]
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
        checkpoint = self.ranks.from_first(self.store.latest(self.device) if self.ranks.is_first else None)
        if checkpoint is None:
            self.journal.cut(0)
            self.pace.cut(0)
            self.save()
            return
        tensors, facts = checkpoint.tensors, checkpoint.facts
        self.progress = Progress(**facts["progress"])
        names = [name for name, _ in self.model.named_parameters()]
        ranks = range(len(self.progress.best_values))
        self.best_weights = [[tensors[f"best-{rank}/{name}"] for name in names] for rank in ranks]
        self.optimizer.state.clear()
        for index, (name, parameter) in enumerate(self.model.named_parameters()):
            parameter.data.copy_(tensors[f"weights/{name}"])
            self.average.weights[index].copy_(tensors[f"average/{name}"])
            stored = {key: tensors.get(f"optimizer/{key}/{name}") for key in OPTIMIZER_KEYS}
            if any(value is not None for value in stored.values()):
                self.optimizer.state[parameter] = {key: value for key, value in stored.items() if value is not None}
        self.journal.cut(facts["journal_bytes"])
        self.pace.cut(facts["pace_bytes"])

    def keep_best(self, value: float, higher_is_better: bool) -> None:
        """Takes note of a validation's ``value``, and of the averaged weights if they are among the best yet."""
        progress, sign = self.progress, -1.0 if higher_is_better else 1.0
        rank = bisect.bisect_right([sign * best for best in progress.best_values], sign * value)
        if rank == 0:
            progress.best_step, progress.bad_validations = progress.step, 0
        else:
            progress.bad_validations += 1
        progress.best_values.insert(rank, value)
        self.best_weights.insert(rank, [weights.clone() for weights in self.average.weights])
        del progress.best_values[self.params.average_best :], self.best_weights[self.params.average_best :]

    def end_phase(self, weights: list[Tensor]) -> None:
        """Gives the model the phase's outcome, ``weights``; the next phase begins from there."""
        progress = self.progress
        if not self.best_weights:
            progress.best_step = progress.step
        self.best_weights = []
        self.optimizer.state.clear()
        self.average.set(weights)
        for parameter, weight in zip(self.model.parameters(), weights, strict=True):
            parameter.data.copy_(weight)
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
