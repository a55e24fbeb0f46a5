"""What the forget gate of an LSTM that has learnt the recall task does."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seq2sum.model.cells import Activations, Gate, LSTMWeights, lstm_weights, run_lstm
from seq2sum.model.encoder import OneDirectionEncoder
from study.recall_task import SYMBOL_POSITION, Recall, RecallNetwork

NUM_BINS = 20
# The logistic function of it is 1 (and of its negative 0) to the last bit.
SURE = 100.0
DIGITS = 4


@torch.no_grad()
def forget_gate(network: RecallNetwork, recall: Recall) -> dict[str, Any]:
    """The gate's values on ``recall``, and the accuracy if they are forced to 1 or 0 at all distractors.

    ``histogram``: counts of all values in equal bins from 0 to 1. ``example``: the values of the first sequence, a row
    per position and a column per unit. ``candidate``: least and greatest value of the candidate.
    """
    assert isinstance(network.encoder, OneDirectionEncoder)
    lstm = network.encoder.layers[0]
    assert isinstance(lstm, torch.nn.LSTM)
    assert len(network.encoder.layers) == 1
    weights = lstm_weights(lstm)
    inputs = network.embedding(recall.ids).transpose(0, 1)
    whole = run_lstm(weights, inputs)
    first_distractor = SYMBOL_POSITION + 1
    return {
        "histogram": torch.histc(whole.forget, NUM_BINS, 0.0, 1.0).long().tolist(),
        "example": [[round(value, DIGITS) for value in row] for row in whole.forget[:, 0].tolist()],
        "at": {
            "mark": _mean(whole.forget[:SYMBOL_POSITION]),
            "symbol": _mean(whole.forget[SYMBOL_POSITION:first_distractor]),
            "distractors": _mean(whole.forget[first_distractor:-1]),
        },
        "candidate": [float(whole.candidate.min()), float(whole.candidate.max())],
        "accuracy": {
            "as learnt": _accuracy(network, whole, recall),
            "open": _accuracy(network, run_forced(weights, inputs, SURE), recall),
            "shut": _accuracy(network, run_forced(weights, inputs, -SURE), recall),
        },
    }


def run_forced(weights: LSTMWeights, inputs: Tensor, logit: float) -> Activations:
    """Runs over ``inputs`` [S, B, E] with the forget gate's logits set to ``logit`` at the distractors."""
    gate = Gate(torch.zeros_like(weights.forget.weight), torch.full_like(weights.forget.bias, logit))
    forced = replace(weights, forget=gate)
    first_distractor = SYMBOL_POSITION + 1
    before = run_lstm(weights, inputs[:first_distractor])
    between = run_lstm(forced, inputs[first_distractor:-1], (before.hidden[-1], before.cell[-1]))
    last = run_lstm(weights, inputs[-1:], (between.hidden[-1], between.cell[-1]))
    parts = zip(*(vars(part).values() for part in (before, between, last)), strict=True)
    return Activations(*map(torch.cat, parts))


def _accuracy(network: RecallNetwork, activations: Activations, recall: Recall) -> float:
    answers = network.to_symbols(activations.hidden[-1]).argmax(dim=1)
    return float((answers == recall.answers).float().mean())


def _mean(values: Tensor) -> float:
    return float(values.mean())
