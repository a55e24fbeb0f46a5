"""Attention of many queries over one document's positions.

Shapes: B batch, N queries per document (decoder steps in training, beams in search), S source positions.
"""

import torch
from torch import Tensor, nn


def masked_log_softmax(scores: Tensor, source_mask: Tensor) -> Tensor:
    """Log of the attention weights [B, N, S] from ``scores`` [B, N, S] and ``source_mask`` [B, S], True = real token.

    Padding gets a finite but hopeless score, so that its weight is exactly 0 and no gradient becomes NaN, not even
    in a row that is all padding.
    """
    floor = torch.finfo(scores.dtype).min / 2
    return torch.log_softmax(scores.masked_fill(~source_mask.unsqueeze(1), floor), dim=-1)


class Attention(nn.Module):
    """General (bilinear) attention (Luong et al. 2015, eq. 8): the score is query · W · state.

    W is applied to the document's states once (the ``keys``), so that each query costs one dot product per position.
    """

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        self.to_keys = nn.Linear(state_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """The keys [B, S, Q] of encoder ``states`` [B, S, 2H], computed once per document."""
        keys: Tensor = self.to_keys(states)
        return keys

    def log_weights(self, queries: Tensor, keys: Tensor, source_mask: Tensor) -> Tensor:
        """Log attention weights [B, N, S] of ``queries`` [B, N, Q] over ``keys`` [B, S, Q]."""
        scores = torch.bmm(queries, keys.transpose(1, 2))
        return masked_log_softmax(scores, source_mask)
