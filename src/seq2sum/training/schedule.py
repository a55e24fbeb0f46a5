"""The learning rate as a function of the step."""

import math


def learning_rate(step: int, peak: float, warmup_steps: int, max_steps: int) -> float:
    """Rate of the update that ends step ``step`` (from 1): linear to ``peak``, then a cosine to zero at ``max_steps``.

    The decay is SGDR's without restarts (Loshchilov & Hutter 2017, eq. 5).
    """
    if step <= warmup_steps:
        return peak * step / warmup_steps
    progress = (step - warmup_steps) / max(1, max_steps + 1 - warmup_steps)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
