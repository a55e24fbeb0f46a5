"""The LSTM gate by gate: the readable reference for what ``torch.nn.LSTM`` computes in one fused kernel.

Shapes: B batch, S positions, E input size, H hidden size.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gate:
    """One of the four affine maps of [h, x]: ``weight`` [H, H + E] and ``bias`` [H]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, hidden_and_input: Tensor) -> Tensor:
        """W · [h, x] + b for ``hidden_and_input`` [B, H + E]: [B, H]."""
        return nn.functional.linear(hidden_and_input, self.weight, self.bias)


@dataclass(frozen=True)
class LSTMWeights:
    """One layer of an LSTM in one direction, in PyTorch's order of the gates."""

    input: Gate
    forget: Gate
    candidate: Gate
    output: Gate


@dataclass(frozen=True)
class Activations:
    """What one step computes, each [B, H]; for a whole sequence each [S, B, H]."""

    forget: Tensor
    input: Tensor
    candidate: Tensor
    cell: Tensor
    output: Tensor
    hidden: Tensor


def lstm_weights(lstm: nn.LSTM, layer: int = 0, *, reverse: bool = False) -> LSTMWeights:
    """The weights of one ``layer`` and direction of ``lstm``; gradients of what they compute reach ``lstm`` itself.

    PyTorch keeps W for the input and for the hidden state apart, each with a bias of its own; only their sum matters.
    Raises ValueError for an LSTM whose hidden state is projected (``proj_size``): that is another network.
    """
    if lstm.proj_size:
        raise ValueError("an LSTM with proj_size has a projection that these equations lack")
    suffix = f"_l{layer}_reverse" if reverse else f"_l{layer}"
    of_input, of_hidden = (getattr(lstm, f"weight_{kind}{suffix}") for kind in ("ih", "hh"))
    weight = torch.cat([of_hidden, of_input], dim=1)
    bias = weight.new_zeros(len(weight))
    if lstm.bias:
        bias = getattr(lstm, f"bias_ih{suffix}") + getattr(lstm, f"bias_hh{suffix}")
    return LSTMWeights(*(Gate(*part) for part in zip(weight.chunk(4), bias.chunk(4), strict=True)))


def lstm_step(weights: LSTMWeights, inputs: Tensor, hidden: Tensor, cell: Tensor) -> Activations:
    """One step from ``hidden`` and ``cell`` [B, H] with ``inputs`` [B, E].

    With σ the logistic function and ⊙ the product of elements (Hochreiter & Schmidhuber 1997; the forget gate is that
    of Gers, Schmidhuber & Cummins 2000)::

        forget gate     f_t = σ(W_f · [h_{t-1}, x_t] + b_f)
        input gate      i_t = σ(W_i · [h_{t-1}, x_t] + b_i)
        candidate       g_t = tanh(W_g · [h_{t-1}, x_t] + b_g)
        cell            c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        output gate     o_t = σ(W_o · [h_{t-1}, x_t] + b_o)
        hidden state    h_t = o_t ⊙ tanh(c_t)
    """
    hidden_and_input = torch.cat([hidden, inputs], dim=-1)
    forget = torch.sigmoid(weights.forget(hidden_and_input))
    input_gate = torch.sigmoid(weights.input(hidden_and_input))
    candidate = torch.tanh(weights.candidate(hidden_and_input))
    new_cell = forget * cell + input_gate * candidate
    output = torch.sigmoid(weights.output(hidden_and_input))
    return Activations(forget, input_gate, candidate, new_cell, output, output * torch.tanh(new_cell))


def run_lstm(
    weights: LSTMWeights, inputs: Tensor, start: tuple[Tensor, Tensor] | None = None, *, reverse: bool = False
) -> Activations:
    """All steps over ``inputs`` [S, B, E] from ``start``, hidden and cell [B, H] each (zeros where it is None).

    With ``reverse`` it reads from the last position to the first. Activations stand at the position they belong to.
    """
    zeros = inputs.new_zeros(inputs.shape[1], len(weights.forget.bias))
    hidden, cell = start or (zeros, zeros)
    steps = []
    for position in inputs.flip(0) if reverse else inputs:
        steps.append(lstm_step(weights, position, hidden, cell))
        hidden, cell = steps[-1].hidden, steps[-1].cell
    in_order = steps[::-1] if reverse else steps
    return Activations(
        *(torch.stack([getattr(step, field.name) for step in in_order]) for field in fields(Activations))
    )
