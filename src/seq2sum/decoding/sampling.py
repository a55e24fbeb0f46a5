"""Drawing sequences from a model's own distribution. It knows no model and no text.

Shapes: B documents, K sequences of each.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

State = TypeVar("State")
# Latest ids [B, K], state and which sequences are open [B, K] → ids [B, K] for the next step, where they are open, and
# the state after reading the latest ones.
DrawFunction = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]


@torch.no_grad()
def draw_sequences(
    draw: DrawFunction[State], state: State, latest_ids: Tensor, max_tokens: int, end_id: int
) -> tuple[Tensor, Tensor]:
    """Sequences begun by ``latest_ids`` [B, K]: ids [B, K, L], L up to ``max_tokens``, and their lengths [B, K].

    A length does not count the end, which fills what stands behind it. A sequence of ``max_tokens`` pieces may lack it.
    """
    is_open = torch.ones_like(latest_ids, dtype=torch.bool)
    drawn: list[Tensor] = []
    while len(drawn) < max_tokens and bool(is_open.any()):
        ids, state = draw(latest_ids, state, is_open)
        latest_ids = torch.where(is_open, ids, end_id)
        is_open = latest_ids != end_id
        drawn.append(latest_ids)
    ids = torch.stack(drawn, dim=2)
    return ids, (ids != end_id).sum(dim=2)
