"""Dropout whose randomness is handed in, so that a training step is a pure function of its seed."""

import torch
from torch import Tensor

from seq2sum.data.batch import EVERYTHING, Share


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
        kept = values.new_empty(shape).bernoulli_(1.0 - self.rate, generator=self.generator)
        return values * self.share.take(kept, row_dim).div_(1.0 - self.rate)


def apply_noise(noise: Noise | None, values: Tensor, time_dim: int = 1) -> Tensor:
    """``values`` with dropout, or untouched where ``noise`` is None (evaluation)."""
    return values if noise is None else noise(values, time_dim)
