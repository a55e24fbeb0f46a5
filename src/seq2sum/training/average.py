"""Exponential moving average of the weights (Polyak & Juditsky 1992)."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps an average beside the model's weights; a decay of 0 follows them exactly.

    Early on the decay is lowered to (1 + step) / (10 + step), so that the random start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = [parameter.detach().clone() for parameter in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Takes the weights after ``step`` in."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.weights, [parameter.detach() for parameter in model.parameters()], 1.0 - decay)

    def set(self, weights: Sequence[Tensor]) -> None:
        """Makes ``weights`` the average."""
        for averaged, weight in zip(self.weights, weights, strict=True):
            averaged.copy_(weight)

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Within the block the model has the averaged weights."""
        self._swap(model)
        try:
            yield
        finally:
            self._swap(model)

    def _swap(self, model: nn.Module) -> None:
        for index, parameter in enumerate(model.parameters()):
            live: Tensor = parameter.data
            parameter.data, self.weights[index] = self.weights[index], live
