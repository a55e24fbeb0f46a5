"""Drawing sequences from a model's own distribution. It knows no model and no text.

Shapes: B documents, K sequences of each.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

State = TypeVar("State")
# Latest ids [B, K] and state → ids [B, K] drawn for the next step, and the state after reading the latest ones.
DrawFunction = Callable[[Tensor, State], tuple[Tensor, State]]


@torch.no_grad()
def draw_sequences(
    draw: DrawFunction[State], state: State, latest_ids: Tensor, max_tokens: int, end_id: int
) -> tuple[Tensor, Tensor]:
    """Sequences begun by ``latest_ids`` [B, K]: ids [B, K, L], L up to ``max_tokens``, and their lengths [B, K].

    A length does not count the end; what stands behind a sequence's end means nothing. A sequence of ``max_tokens``
    pieces may lack its end.
    """
    lengths = torch.full_like(latest_ids, max_tokens)
    drawn: list[Tensor] = []
    for num_pieces in range(max_tokens):
        latest_ids, state = draw(latest_ids, state)
        drawn.append(latest_ids)
        lengths = torch.where(latest_ids == end_id, lengths.clamp_max(num_pieces), lengths)
        if bool((lengths <= num_pieces).all()):
            break
    return torch.stack(drawn, dim=2), lengths
