"""What a search finds, and what it makes of its length: without tensors, for every search."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """A finished sequence of piece ids without begin and end, with its log probability over the length penalty, and the
    bonus of its end where there is one.
    """

    ids: list[int]
    score: float


def length_penalty(num_pieces: int, alpha: float) -> float:
    """GNMT's length penalty (Wu et al. 2016, eq. 14) of a hypothesis of ``num_pieces``, its end included."""
    return float(((5.0 + num_pieces) / 6.0) ** alpha)
