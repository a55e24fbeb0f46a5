"""Drawing sequences from a model's own distribution. It knows no model and no text.

Shapes: B documents, K sequences of each.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from seq2sum.decoding.search import SearchState

State = TypeVar("State", bound=SearchState)
# Latest ids [B', K'], state and which sequences are open [B', K'] → ids [B', K'] for the next step, where they are
# open, and the state after reading the latest ones.
DrawFunction = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]


@torch.no_grad()
def draw_sequences(
    draw: DrawFunction[State], state: State, latest_ids: Tensor, max_tokens: int, end_id: int
) -> tuple[Tensor, Tensor]:
    """Sequences begun by ``latest_ids`` [B, K]: ids [B, K, ``max_tokens``] and their lengths [B, K].

    A length does not count the end, which fills what stands behind it. A sequence of ``max_tokens`` pieces may lack it.
    Sequences that ended leave the state, up to the most that a document has open.
    """
    num_documents, num_sequences = latest_ids.shape
    drawn = latest_ids.new_full((num_documents * num_sequences, max_tokens), end_id)
    places = torch.arange(len(drawn), device=latest_ids.device).view(num_documents, num_sequences)
    is_open = torch.ones_like(latest_ids, dtype=torch.bool)
    for num_pieces in range(max_tokens):
        ids, state = draw(latest_ids, state, is_open)
        latest_ids = torch.where(is_open, ids, end_id)
        drawn[places, num_pieces] = latest_ids
        is_open = latest_ids != end_id
        num_open = is_open.sum(dim=1)
        width = int(num_open.max())
        if not width:
            break
        if width < is_open.shape[1]:
            beams = is_open.long().argsort(dim=1, descending=True, stable=True)[:, :width]
            state = state.select(beams)
            latest_ids, places, is_open = (rows.gather(1, beams) for rows in (latest_ids, places, is_open))
        documents = num_open.nonzero().squeeze(1)
        if len(documents) < len(num_open):
            state = state.keep(documents)
            latest_ids, places, is_open = latest_ids[documents], places[documents], is_open[documents]
    drawn = drawn.view(num_documents, num_sequences, max_tokens)
    return drawn, (drawn != end_id).sum(dim=2)
