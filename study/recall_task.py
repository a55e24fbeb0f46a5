"""The recall task: [mark, symbol, distractors …, question] → the symbol after the mark.

The distractors are drawn from the same alphabet, so that a bag of symbols does not give the answer. The answer is read
from the encoder's state at the question, so that it must come through all positions between; reading backward is no
short cut.

Shapes: B sequences, S = lag + 2 positions, K symbols.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seq2sum.config import ModelParams
from seq2sum.model.encoder import build_encoder
from seq2sum.model.initialization import initialize
from seq2sum.training.schedule import learning_rate
from study.settings import RecallParams

SYMBOL_POSITION = 1
# Share of the training after which nothing new comes.
LAST_LAG_AT = 0.8


@dataclass(frozen=True)
class Recall:
    """Sequences ``ids`` [B, S] and their ``answers`` [B]."""

    ids: Tensor
    answers: Tensor


def draw_recall(lag: int, num_rows: int, num_symbols: int, generator: torch.Generator) -> Recall:
    """Sequences whose question stands ``lag`` positions behind the symbol that it asks for."""
    ids = torch.randint(num_symbols, (num_rows, lag + 2), generator=generator)
    ids[:, 0], ids[:, -1] = num_symbols, num_symbols + 1
    return Recall(ids, ids[:, SYMBOL_POSITION].clone())


class RecallNetwork(nn.Module):
    """Embedding, one of the summarizer's encoders, and a linear map of the state at the question."""

    def __init__(self, params: ModelParams, num_symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_symbols + 2, params.embedding_size)
        self.encoder = build_encoder(params)
        self.to_symbols = nn.Linear(params.state_size, num_symbols)
        initialize(self)

    def forward(self, embedded: Tensor) -> Tensor:
        """Logits [B, K] for ``embedded`` [B, S, E]."""
        num_rows, num_positions, _ = embedded.shape
        states = self.encoder(embedded, torch.full((num_rows,), num_positions)).states
        logits: Tensor = self.to_symbols(states[:, -1])
        return logits


@dataclass(frozen=True)
class Update:
    """What one optimizer update says: the ``loss`` before it, the gradient's ``norm`` before clipping."""

    loss: float
    norm: float
    num_tokens: int


def train(network: RecallNetwork, params: RecallParams, generator: torch.Generator) -> Iterator[Update]:
    """Yields each update. One lag a batch, drawn from those that the curriculum has reached."""
    optimizer = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    for step in range(1, params.num_steps + 1):
        lags = lags_at(step, params.lags, params.num_steps)
        lag = lags[int(torch.randint(len(lags), (), generator=generator))]
        recall = draw_recall(lag, params.batch_rows, params.num_symbols, generator)
        loss = nn.functional.cross_entropy(network(network.embedding(recall.ids)), recall.answers)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(network.parameters(), params.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, params.learning_rate, params.warmup_steps, params.num_steps)
        optimizer.step()
        yield Update(loss.item(), norm.item(), recall.ids.numel())


def lags_at(step: int, lags: Sequence[int], num_steps: int) -> Sequence[int]:
    """The lags that ``step`` (from 1) may draw: the shortest alone at first, all for the last fifth."""
    progress = min(1.0, (step - 1) / (LAST_LAG_AT * num_steps))
    return lags[: min(len(lags), 1 + int(len(lags) * progress**2))]


@torch.no_grad()
def accuracy(network: RecallNetwork, recall: Recall) -> float:
    """Share of right answers."""
    answers = network(network.embedding(recall.ids)).argmax(dim=1)
    return float((answers == recall.answers).float().mean())


def gradient_at_symbol(network: RecallNetwork, recall: Recall) -> float:
    """Mean norm of the gradient of the right answer's logit with respect to the symbol's embedding.

    The logit and not the loss: the loss's own gradient goes to zero where the task is solved.
    """
    exact = copy.deepcopy(network).double()  # floats of 32 bits would underflow
    embedded = exact.embedding(recall.ids).detach().requires_grad_()
    logits = exact(embedded)
    logits.gather(1, recall.answers.unsqueeze(1)).sum().backward()
    assert embedded.grad is not None
    return float(embedded.grad[:, SYMBOL_POSITION].norm(dim=1).mean())


def recalls_for_test(params: RecallParams, seed: int) -> dict[int, Recall]:
    """Fresh sequences of each lag, the same for every encoder of one ``seed``."""
    generator = torch.Generator().manual_seed(2**32 + seed)
    return {lag: draw_recall(lag, params.num_test, params.num_symbols, generator) for lag in params.lags}


def means_of(values: Sequence[float], size: int) -> list[float]:
    """Means of each ``size`` values after the other."""
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return [sum(part) / len(part) for part in parts]
