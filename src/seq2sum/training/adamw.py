"""Adam with decoupled weight decay (Loshchilov & Hutter 2019), as PyTorch's fused kernel computes it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-8


class AdamW:
    """Updates ``parameters`` by their gradients; those without one stay as they are and have no ``state``.

    It gives what ``torch.optim.AdamW(..., fused=True)`` does, which on its first use loads PyTorch's compiler: 80 MiB
    and a second or more, for nothing.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._weight_decay = weight_decay
        self.rate = 0.0
        # Of each parameter: its number of updates, and the moving averages of its gradient and of that squared.
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """One update with ``rate`` as the learning rate."""
        moving = [parameter for parameter in self._parameters if parameter.grad is not None]
        for parameter in moving:
            if parameter not in self.state:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in moving]
        adamw(
            list(moving),
            [parameter.grad for parameter in moving if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=BETA1,
            beta2=BETA2,
            eps=EPSILON,
            lr=self.rate,
            weight_decay=self._weight_decay,
        )
