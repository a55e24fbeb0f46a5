"""What search may not choose, and how it weighs length; each a function of tensors alone.

Shapes: B documents, K beams, V pieces, L pieces so far.
"""

import torch
from torch import Tensor


def length_penalty(num_pieces: int, alpha: float) -> float:
    """GNMT's length penalty (Wu et al. 2016, eq. 14) of a hypothesis of ``num_pieces``, its end included."""
    return float(((5.0 + num_pieces) / 6.0) ** alpha)


def block_repeated_ngrams(log_probs: Tensor, prefixes: Tensor, size: int) -> Tensor:
    """``log_probs`` [B, K, V] with minus infinity where a piece would complete an n-gram of ``size`` a second time.

    ``prefixes`` [B, K, L] are the pieces so far (Paulus et al. 2018, section 2.5, for any size).
    """
    num_pieces = prefixes.shape[2]
    if num_pieces < size:
        return log_probs
    if size == 1:
        return log_probs.scatter(2, prefixes, -torch.inf)
    starts = prefixes[:, :, :-1].unfold(2, size - 1, 1)
    ends = prefixes[:, :, size - 1 :]
    latest = prefixes[:, :, num_pieces - size + 1 :].unsqueeze(2)
    repeats = (starts == latest).all(dim=3)
    penalty = torch.where(repeats, -torch.inf, 0.0).to(log_probs.dtype)
    # A piece may follow several matches: the lowest penalty must win, whatever the order.
    blocked = torch.zeros_like(log_probs).scatter_reduce_(2, ends, penalty, reduce="amin")
    return log_probs + blocked
