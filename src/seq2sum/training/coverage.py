"""The coverage loss, which discourages reading the same place twice, without a loop over steps.

Shapes: N target rows, T target positions, S source positions, R real target tokens.
"""

import torch
from torch import Tensor


def coverage_loss(attn_log_weights: Tensor, target_rows: Tensor) -> Tensor:
    """Sum over the real target tokens of Σ_s min(attention, coverage) (See et al. 2017, eq. 13), at most 1 a token.

    Coverage is the sum of the attention of all steps before (eq. 10): a cumulative sum of ``attn_log_weights``
    [N, T, S], exponentiated, gives it for all steps at once. ``target_rows`` [R] are flat positions n · T + t.
    """
    attention = attn_log_weights.float().exp()
    coverage = attention.cumsum(dim=1) - attention
    return torch.minimum(attention, coverage).sum(dim=2).flatten().index_select(0, target_rows).sum()
