"""Dropout whose randomness is handed in, so that a training step is a pure function of its seed."""

import torch
from torch import Tensor


class Noise:
    """Inverted dropout (Srivastava et al. 2014) drawing from its own generator.

    The global generator would tie a mask to everything that ran before it, in whichever thread; a generator seeded
    per step makes masks reproducible on resume.
    """

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        self.rate = rate
        self.generator = generator

    def __call__(self, values: Tensor) -> Tensor:
        """Zeroes a share ``rate`` of ``values`` (any shape) and scales the rest up."""
        if self.rate == 0.0:
            return values
        kept = torch.empty_like(values).bernoulli_(1.0 - self.rate, generator=self.generator)
        return values * kept.div_(1.0 - self.rate)


def apply_noise(noise: Noise | None, values: Tensor) -> Tensor:
    """``values`` with dropout, or untouched where ``noise`` is None (evaluation)."""
    return values if noise is None else noise(values)
