"""Batched beam search over a step function. It knows no model and no text; a beam of 1 is greedy search.

Shapes: B documents, K beams, V pieces, L pieces so far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from seq2sum.config import SearchParams
from seq2sum.decoding.constraints import block_repeated_ngrams, length_penalty


class SearchState(Protocol):
    """Whatever the step function carries from step to step, for every document and beam."""

    def select(self, beam_indices: Tensor) -> Self:
        """The state with beams ``beam_indices`` [B, K'] of each document, in that order."""

    def keep(self, document_indices: Tensor) -> Self:
        """The state of the documents ``document_indices`` [B'] alone."""


State = TypeVar("State", bound=SearchState)
# Latest ids [B, K] and state → log probabilities [B, K, V] of the next piece, and the state after reading the ids.
StepFunction = Callable[[Tensor, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Hypothesis:
    """A finished sequence of piece ids without begin and end, with its log probability over the length penalty."""

    ids: list[int]
    score: float


@torch.no_grad()
def beam_search(
    step: StepFunction[State],
    state: State,
    latest_ids: Tensor,
    params: SearchParams,
    end_id: int,
    forbidden_ids: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """The up to K best hypotheses of every document, best first; none where the constraints leave nothing to choose.

    ``latest_ids`` [B, 1] begin the sequences. A hypothesis ends by choosing ``end_id``, and has to after
    ``params.max_tokens`` pieces. A document is done once K hypotheses have ended, or when no open one can still
    beat the best that ended. ``forbidden_ids`` are never chosen.
    """
    num_documents, beam_size = len(latest_ids), params.beam_size
    finished: list[list[Hypothesis]] = [[] for _ in range(num_documents)]
    documents = torch.arange(num_documents, device=latest_ids.device)
    totals = torch.zeros(num_documents, 1, device=latest_ids.device)
    prefixes = latest_ids.new_empty(num_documents, 1, 0)
    for num_pieces in range(params.max_tokens + 1):
        log_probs, state = step(latest_ids, state)
        allowed = _constrain(log_probs, prefixes, params, end_id, forbidden_ids)
        totals, beams, latest_ids, ended = _expand(totals, allowed, beam_size, end_id)
        normalizer = length_penalty(num_pieces + 1, params.length_penalty)
        _collect(finished, documents, prefixes, ended, normalizer)
        if num_pieces == params.max_tokens:
            break
        open_rows = _open_rows(finished, documents, totals, params)
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
) -> Tensor:
    num_pieces = prefixes.shape[2]
    if num_pieces == params.max_tokens:
        only_end = torch.full_like(log_probs, -torch.inf)
        only_end[:, :, end_id] = log_probs[:, :, end_id]
        return only_end
    log_probs = log_probs.clone()
    log_probs[:, :, list(forbidden_ids)] = -torch.inf
    if num_pieces < params.min_tokens:
        log_probs[:, :, end_id] = -torch.inf
    if params.block_ngrams:
        log_probs = block_repeated_ngrams(log_probs, prefixes, params.block_ngrams)
    return log_probs


def _expand(
    totals: Tensor, log_probs: Tensor, beam_size: int, end_id: int
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Takes the best continuations of each document's beams.

    Returns totals, source beams and pieces [B, K'] of the open continuations, and the totals and source beams [B, K'']
    of those that end (total minus infinity where none does).
    """
    num_beams, num_pieces = log_probs.shape[1:]
    scores = (totals.unsqueeze(2) + log_probs).flatten(1)
    # Each beam ends at most once, so twice the beam holds enough open continuations.
    best, flat = scores.topk(min(2 * beam_size, num_beams * num_pieces), dim=1)
    beams, pieces = flat // num_pieces, flat % num_pieces
    ends = pieces == end_id
    # Only an end among the K best counts: so a beam of 1 ends when the end is its first choice, like greedy search.
    ended = best.masked_fill(~ends, -torch.inf)[:, :beam_size], beams[:, :beam_size]
    open_scores, order = best.masked_fill(ends, -torch.inf).topk(min(beam_size, best.shape[1]), dim=1)
    return open_scores, beams.gather(1, order), pieces.gather(1, order), ended


def _collect(
    finished: list[list[Hypothesis]],
    documents: Tensor,
    prefixes: Tensor,
    ended: tuple[Tensor, Tensor],
    normalizer: float,
) -> None:
    totals, beams = ended
    for row, column in (totals > -torch.inf).nonzero().tolist():
        ids = prefixes[row, beams[row, column]].tolist()
        finished[documents[row]].append(Hypothesis(ids, totals[row, column].item() / normalizer))


def _open_rows(finished: list[list[Hypothesis]], documents: Tensor, totals: Tensor, params: SearchParams) -> list[int]:
    """The rows that go on: fewer than K ended, and an open beam that could still beat the best that ended.

    A log probability only falls, and the largest penalty divides it least: that bounds what an open beam can reach.
    """
    bounds = (totals.max(dim=1).values / length_penalty(params.max_tokens + 1, params.length_penalty)).tolist()
    rows = []
    for row, document in enumerate(documents.tolist()):
        found = finished[document]
        best = max((hypothesis.score for hypothesis in found), default=float("-inf"))
        if len(found) < params.beam_size and bounds[row] > best:
            rows.append(row)
    return rows
