"""Whole numbers from the environment: how something is done, never what comes out."""

import os

from seq2sum.errors import UserError


def whole_number(name: str, default: int) -> int:
    """The variable's value, from 1 on, or the default. Raises UserError for anything else."""
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or int(value) < 1:
        raise UserError(f"{name}={value}: must be a whole number from 1 on.")
    return int(value)
