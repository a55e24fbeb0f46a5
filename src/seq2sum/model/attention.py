"""Attention of many queries over one document's positions, by one of three scores.

Shapes: B batch, N queries per document (decoder steps in training, beams in search), S source positions,
Q size of a query, F size of an encoder state.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seq2sum.config import AttentionKind

# Elements of [B, n, S, Q] that additive attention holds at once for n of its N queries: 64 MiB of floats.
CHUNK_ELEMENTS = 2**24


def masked_log_softmax(scores: Tensor, source_mask: Tensor) -> Tensor:
    """Log of the attention weights [B, N, S] from ``scores`` [B, N, S] and ``source_mask`` [B, S], True = real token.

    In single precision or better: bfloat16's three digits are too few for probabilities to add up.
    Padding gets a finite but hopeless score, so that its weight is exactly 0 and no gradient becomes NaN, not even
    in a row that is all padding.
    """
    floor = torch.finfo(scores.dtype).min / 2
    precision = torch.promote_types(scores.dtype, torch.float32)
    return torch.log_softmax(scores.masked_fill(~source_mask.unsqueeze(1), floor), dim=-1, dtype=precision)


def build_attention(kind: AttentionKind, query_size: int, state_size: int) -> "Attention":
    """The attention of that ``kind``. Raises ValueError for ``dot`` between sizes that differ."""
    match kind:
        case "general":
            return GeneralAttention(query_size, state_size)
        case "dot":
            return DotAttention(query_size, state_size)
        case "additive":
            return AdditiveAttention(query_size, state_size)


class Attention(nn.Module):
    """What the three have in common: keys made once per document, scores of queries against them."""

    def keys(self, states: Tensor) -> Tensor:
        """What queries are compared with, computed once per document: the encoder's ``states`` [B, S, F] themselves."""
        return states

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """How well each of the ``queries`` [B, N, Q] fits each of the ``keys`` [B, S, *]: [B, N, S]."""
        raise NotImplementedError

    def log_weights(self, queries: Tensor, keys: Tensor, source_mask: Tensor) -> Tensor:
        """Log attention weights [B, N, S] of ``queries`` [B, N, Q] over ``keys`` [B, S, *]."""
        return masked_log_softmax(self.scores(queries, keys), source_mask)


class DotAttention(Attention):
    """query · state (Luong et al. 2015, eq. 8, dot)."""

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        if query_size != state_size:
            raise ValueError(f"dot attention needs queries and states of one size, not {query_size} and {state_size}")

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The dot products [B, N, S]."""
        return torch.bmm(queries, keys.transpose(1, 2))


class GeneralAttention(Attention):
    """query · W · state (Luong et al. 2015, eq. 8, general).

    W is applied to the queries: a summary has fewer pieces than its document, and the states need no second copy.
    """

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        self.to_keys = nn.Linear(state_size, query_size, bias=False)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The products [B, N, S]. Scaled down by 1 / √Q, as for Transformers, attention here takes longer to learn."""
        return torch.bmm(queries @ self.to_keys.weight, keys.transpose(1, 2))


class AdditiveAttention(Attention):
    """v · tanh(W · query + U · state + b) (Bahdanau et al. 2015, appendix A.1.2).

    The tanh of every query with every position is large, [B, N, S, Q]. It is made for a chunk of queries at a time and
    again in the backward pass, so that memory does not grow with N.
    """

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        self.to_keys = nn.Linear(state_size, query_size, bias=False)
        self.of_query = nn.Linear(query_size, query_size)
        self.to_score = nn.Linear(query_size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """U · state for every position [B, S, Q]."""
        keys: Tensor = self.to_keys(states)
        return keys

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The scores [B, N, S], a chunk of queries after the other."""
        chunk_size = max(1, CHUNK_ELEMENTS // keys.numel())
        if queries.shape[1] <= chunk_size:
            return self._chunk_scores(self.of_query(queries), keys)
        chunks = self.of_query(queries).split(chunk_size, dim=1)
        return torch.cat([checkpoint(self._chunk_scores, chunk, keys, use_reentrant=False) for chunk in chunks], dim=1)

    def _chunk_scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        joined = torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1))
        scores: Tensor = self.to_score(joined).squeeze(-1)
        return scores
