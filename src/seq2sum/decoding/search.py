"""Batched beam search over a step function. It knows no model and no text; a beam of 1 is greedy search.

Shapes: B documents, K beams, V pieces, L pieces so far.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from seq2sum.config import SearchParams
from seq2sum.decoding.constraints import Constraint, block_repeated_ngrams
from seq2sum.decoding.hypothesis import Hypothesis, length_penalty
from seq2sum.decoding.state import SearchState

# Pieces whose largest probability is looked up first.
_BLOCK = 64

State = TypeVar("State", bound=SearchState)
# Latest ids [B, K] and state → log probabilities [B, K, V] of the next piece, which the search may overwrite, and the
# state after reading the ids.
StepFunction = Callable[[Tensor, State], tuple[Tensor, State]]


@torch.no_grad()
def beam_search(
    step: StepFunction[State],
    state: State,
    latest_ids: Tensor,
    params: SearchParams,
    end_id: int,
    forbidden_ids: Sequence[int] = (),
    constraints: Sequence[Constraint] = (),
    end_bonus: Callable[[State], Tensor] | None = None,
    num_best: int = 1,
) -> list[list[Hypothesis]]:
    """The up to K best hypotheses of every document, best first; none where the constraints leave nothing to choose.

    ``latest_ids`` [B, 1] begin the sequences. A hypothesis ends by choosing ``end_id``, and has to after
    ``params.max_tokens`` pieces. A document is done once K hypotheses have ended, or when no open one can still
    enter the ``num_best`` best that ended. ``forbidden_ids`` are never chosen, nor what ``constraints`` forbid.
    ``end_bonus`` gives what is added [B, K], at most 0, to the scores of hypotheses that end in a state.
    """
    num_documents, beam_size = len(latest_ids), params.beam_size
    finished: list[list[Hypothesis]] = [[] for _ in range(num_documents)]
    documents = torch.arange(num_documents, device=latest_ids.device)
    totals = torch.zeros(num_documents, 1, device=latest_ids.device)
    prefixes = latest_ids.new_empty(num_documents, 1, 0)
    for num_pieces in range(params.max_tokens + 1):
        log_probs, state = step(latest_ids, state)
        _constrain(log_probs, prefixes, params, end_id, forbidden_ids)
        for constraint in constraints:
            constraint(log_probs, prefixes, documents)
        if num_pieces == params.max_tokens:
            _allow_only(log_probs, end_id)
        totals, beams, latest_ids, ended = _expand(totals, log_probs, beam_size, end_id)
        scores = ended.totals / length_penalty(num_pieces + 1, params.length_penalty)
        if end_bonus is not None:
            scores += end_bonus(state).gather(1, ended.beams)
        _collect(finished, documents, prefixes, ended.beams, scores)
        if num_pieces == params.max_tokens:
            break
        open_rows = _open_rows(finished, documents, totals, params, num_best)
        if not open_rows:
            break
        prefixes = prefixes.gather(1, beams.unsqueeze(2).expand(-1, -1, num_pieces))
        prefixes = torch.cat([prefixes, latest_ids.unsqueeze(2)], dim=2)
        state = state.select(beams)
        if len(open_rows) < len(documents):
            rows = torch.tensor(open_rows, device=documents.device)
            documents, totals, prefixes, latest_ids = documents[rows], totals[rows], prefixes[rows], latest_ids[rows]
            state = state.keep(rows)
    return [sorted(found, key=lambda hypothesis: -hypothesis.score)[:beam_size] for found in finished]


def _constrain(
    log_probs: Tensor, prefixes: Tensor, params: SearchParams, end_id: int, forbidden_ids: Sequence[int]
) -> None:
    log_probs[:, :, list(forbidden_ids)] = -torch.inf
    if prefixes.shape[2] < params.min_tokens:
        log_probs[:, :, end_id] = -torch.inf
    if params.block_ngrams:
        block_repeated_ngrams(log_probs, prefixes, params.block_ngrams)


def _allow_only(log_probs: Tensor, piece: int) -> None:
    kept = log_probs[:, :, piece].clone()
    log_probs.fill_(-torch.inf)
    log_probs[:, :, piece] = kept


class _Ended(NamedTuple):
    """Continuations by the end mark, each [B, K'']: log probability (minus infinity where there is none) and beam."""

    totals: Tensor
    beams: Tensor


def _expand(totals: Tensor, log_probs: Tensor, beam_size: int, end_id: int) -> tuple[Tensor, Tensor, Tensor, _Ended]:
    """Takes the best continuations of each document's beams.

    Returns totals, source beams and pieces [B, K'] of the open continuations, and those that end.
    """
    # Each beam ends at most once, so twice the beam holds enough open continuations, be they of a single beam.
    width = min(2 * beam_size, log_probs.shape[2])
    candidates, candidate_pieces = _top(log_probs, width)
    scores = (totals.unsqueeze(2) + candidates).flatten(1)
    best, flat = scores.topk(min(2 * beam_size, scores.shape[1]), dim=1)
    beams, pieces = flat // width, candidate_pieces.flatten(1).gather(1, flat)
    ends = pieces == end_id
    # Only an end among the K best counts: so a beam of 1 ends when the end is its first choice, like greedy search.
    ended = _Ended(best.masked_fill(~ends, -torch.inf)[:, :beam_size], beams[:, :beam_size])
    open_totals, order = best.masked_fill(ends, -torch.inf).topk(min(beam_size, best.shape[1]), dim=1)
    return open_totals, beams.gather(1, order), pieces.gather(1, order), ended


def _top(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``values.topk(count)`` along the last of three dimensions, in half the time where that is long.

    The largest values lie in the blocks with the largest maxima, so that only those blocks have to be sorted.
    """
    num_blocks = values.shape[2] // _BLOCK
    if num_blocks < 4 * count:
        return values.topk(count, dim=2)
    in_blocks, rest = values[:, :, : num_blocks * _BLOCK], values[:, :, num_blocks * _BLOCK :]
    blocks = in_blocks.reshape(*values.shape[:2], num_blocks, _BLOCK)
    which = blocks.amax(dim=3).topk(count, dim=2).indices.unsqueeze(3)
    likely = blocks.gather(2, which.expand(-1, -1, -1, _BLOCK)).flatten(2)
    pieces = (which * _BLOCK + torch.arange(_BLOCK, device=values.device)).flatten(2)
    best, places = torch.cat([likely, rest], dim=2).topk(count, dim=2)
    rest_pieces = torch.arange(num_blocks * _BLOCK, values.shape[2], device=values.device)
    return best, torch.cat([pieces, rest_pieces.expand(*pieces.shape[:2], -1)], dim=2).gather(2, places)


def _collect(
    finished: list[list[Hypothesis]], documents: Tensor, prefixes: Tensor, beams: Tensor, scores: Tensor
) -> None:
    for row, column in (scores > -torch.inf).nonzero().tolist():
        ids = prefixes[row, beams[row, column]].tolist()
        finished[documents[row]].append(Hypothesis(ids, scores[row, column].item()))


def _open_rows(
    finished: list[list[Hypothesis]], documents: Tensor, totals: Tensor, params: SearchParams, num_best: int
) -> list[int]:
    """The rows that go on: fewer than K ended, and an open beam that could still enter the ``num_best`` best.

    A log probability only falls, the largest penalty divides it least, and no bonus is above 0: that bounds what an
    open beam can reach.
    """
    bounds = (totals.max(dim=1).values / length_penalty(params.max_tokens + 1, params.length_penalty)).tolist()
    rows = []
    for row, document in enumerate(documents.tolist()):
        scores = sorted((hypothesis.score for hypothesis in finished[document]), reverse=True)
        to_beat = scores[num_best - 1] if len(scores) >= num_best else float("-inf")
        if len(scores) < params.beam_size and bounds[row] > to_beat:
            rows.append(row)
    return rows
