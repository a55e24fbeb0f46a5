"""The type of matrix products: float32, or bfloat16 where speed matters more than digits."""

import torch

MATRIX_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products run in ``precision``."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
