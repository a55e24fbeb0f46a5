"""A phase of the training: what it learns from, by which loss, and by which value its best weights are picked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from seq2sum.config import PhaseParams, TrainParams
from seq2sum.data.batch import Batch
from seq2sum.data.encoded import EncodedPairs
from seq2sum.model.dropout import Noise
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.coverage import coverage_loss
from seq2sum.training.loss import negative_log_likelihood


class Outcome(NamedTuple):
    """What an objective says of a batch: the ``loss`` to descend, and a sum over ``num_parts`` for the journal.

    Of a share of the batch, loss and total are the share's part of the batch's sums; ``num_parts`` is the batch's.
    """

    loss: Tensor
    total: Tensor
    num_parts: int


# The model and a function to call now and then, which raises if the training shall stop → a value to judge it by.
Validate = Callable[[SummarizerModel, Callable[[], None]], float]


class Objective(Protocol):
    """Gives the outcome of a batch, or of the noise's share of it; all its randomness comes from the noise."""

    def __call__(self, model: SummarizerModel, batch: Batch, noise: Noise) -> Outcome:
        """Reads ``batch`` with ``model``."""


@dataclass(frozen=True)
class Phase:
    """A part of the training with a rate schedule of its own.

    ``measure`` is the journal's name of what the objective totals. ``validate`` gives the value, called
    ``criterion`` in the journal, by which the best weights are picked; without it the last ones are. With
    ``validate_first`` the weights that the phase begins with are in the running, so that it can't make them worse.
    """

    name: str
    pairs: EncodedPairs
    schedule: PhaseParams
    objective: Objective
    measure: str
    validate: Validate | None = None
    criterion: str = "validation/loss"
    higher_is_better: bool = False
    validate_first: bool = False


class Likelihood:
    """The likelihood of the reference summaries, with what TrainParams add to it."""

    def __init__(self, params: TrainParams) -> None:
        self._label_smoothing = params.label_smoothing
        self._coverage_weight = params.coverage_weight

    def __call__(self, model: SummarizerModel, batch: Batch, noise: Noise) -> Outcome:
        """The mean loss per target token."""
        source, targets = batch.source, batch.targets
        memory = model.encode(source.source_ids, source.source_lengths, source.source_mask, noise)
        decoded = model.decode(memory, targets.target_in, noise)
        total = negative_log_likelihood(model, source, targets, decoded, self._label_smoothing)
        loss = total
        if self._coverage_weight:
            loss = loss + self._coverage_weight * coverage_loss(decoded.attn_log_weights, targets.target_rows)
        return Outcome(loss / targets.num_target_tokens, total.detach(), targets.num_target_tokens)


def likelihood_phase(params: TrainParams, pairs: EncodedPairs, validate: Validate) -> Phase:
    """The main phase."""
    schedule = PhaseParams(
        max_steps=params.max_steps, learning_rate=params.learning_rate, warmup_steps=params.warmup_steps
    )
    return Phase("likelihood", pairs, schedule, Likelihood(params), "train/loss", validate)


def pretraining_phase(params: TrainParams, pairs: EncodedPairs) -> Phase:
    """The phase before it, on sentences and the documents that lost them."""
    return Phase("pretraining", pairs, params.pretrain, Likelihood(params), "train/pretraining_loss")


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products run in ``precision``."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
