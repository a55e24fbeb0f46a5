"""Dropout whose randomness is handed in, so that a training step is a pure function of its seed."""

import math

import torch
from torch import Tensor

from seq2sum.data.batch import EVERYTHING, Share

# What a rate is rounded to: as many as a number of 16 bits has values.
_STEPS = 2**16


class Noise:
    """Inverted dropout (Srivastava et al. 2014) drawing from its own generator.

    The global generator would tie a mask to everything that ran before it, in whichever thread; a generator seeded
    per step makes masks reproducible on resume. With ``variational`` all positions of a row share a mask (Gal &
    Ghahramani 2016). Masks are drawn for the whole batch, and the rows of ``share`` used: so they do not depend on the
    number of processes.
    """

    def __init__(self, rate: float, variational: bool, generator: torch.Generator, share: Share = EVERYTHING) -> None:
        self.rate = rate
        self.variational = variational
        self.generator = generator
        self.share = share

    def __call__(self, values: Tensor, time_dim: int = 1) -> Tensor:
        """Zeroes a share ``rate`` of ``values``, positions along ``time_dim``; scales the rest up."""
        if self.rate == 0.0:
            return values
        shape, row_dim = list(values.shape), 1 - time_dim
        shape[row_dim] = self.share.whole(shape[row_dim])
        if self.variational:
            shape[time_dim] = 1
        num_dropped = round(self.rate * _STEPS)
        dropped = self._steps(shape, values.device) < num_dropped - _STEPS // 2
        # For the backward pass this keeps a byte for each value; a product with a mask of numbers would keep four.
        return values.masked_fill(self.share.take(dropped, row_dim), 0.0) * (_STEPS / (_STEPS - num_dropped))

    def _steps(self, shape: list[int], device: torch.device) -> Tensor:
        """Random whole numbers, equally likely from -_STEPS / 2 on below _STEPS / 2: four from each draw of 64 bits."""
        size = math.prod(shape)
        draws = torch.empty(-(-size // 4), dtype=torch.int64, device=device)
        draws.random_(torch.iinfo(torch.int64).min, None, generator=self.generator)
        return draws.view(torch.int16)[:size].view(shape)


def apply_noise(noise: Noise | None, values: Tensor, time_dim: int = 1) -> Tensor:
    """``values`` with dropout, or untouched where ``noise`` is None (evaluation)."""
    return values if noise is None else noise(values, time_dim)
