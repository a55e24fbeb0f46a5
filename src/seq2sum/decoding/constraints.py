"""What search may not choose, and how it weighs coverage; each a function of tensors alone.

Shapes: B documents, K beams, V pieces, L pieces so far, S source positions.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Log probabilities [B, K, V], in which it writes minus infinity where a piece may not be chosen; the pieces so far
# [B, K, L]; and which document of the search [B] each row is, for rows leave as their documents are done.
Constraint = Callable[[Tensor, Tensor, Tensor], None]


def coverage_penalty(coverage: Tensor, source_mask: Tensor, beta: float) -> Tensor:
    """GNMT's coverage term (Wu et al. 2016, eq. 14) [B, K], at most 0, of hypotheses with ``coverage`` [B, K, S].

    Coverage is the attention that a source position got in all steps; where it reaches 1 nothing is taken off.
    ``source_mask`` [B, S] is True at real positions.
    """
    floor = torch.finfo(coverage.dtype).tiny
    lacking = coverage.clamp(floor, 1.0).log().masked_fill(~source_mask.unsqueeze(1), 0.0)
    return beta * lacking.sum(dim=2)


def block_repeated_ngrams(log_probs: Tensor, prefixes: Tensor, size: int) -> None:
    """Forbids every piece that would complete an n-gram of ``size`` a second time.

    ``prefixes`` [B, K, L] are the pieces so far (Paulus et al. 2018, section 2.5, for any size).
    """
    num_pieces = prefixes.shape[2]
    if num_pieces < size:
        return
    if size == 1:
        log_probs.scatter_(2, prefixes, -torch.inf)
        return
    starts = prefixes[:, :, :-1].unfold(2, size - 1, 1)
    ends = prefixes[:, :, size - 1 :]
    latest = prefixes[:, :, num_pieces - size + 1 :].unsqueeze(2)
    documents, beams, places = (starts == latest).all(dim=3).nonzero(as_tuple=True)
    log_probs[documents, beams, ends[documents, beams, places]] = -torch.inf


def over_vocabulary(constraints: Sequence[Constraint], ids: Tensor, vocab_size: int) -> Constraint:
    """``constraints``, which know pieces by their ids, for a search that knows them by their places in ``ids`` [C]."""

    def constrain(log_probs: Tensor, prefixes: Tensor, documents: Tensor) -> None:
        of_all = log_probs.new_full((*log_probs.shape[:2], vocab_size), -torch.inf)
        of_all[:, :, ids] = log_probs
        for constraint in constraints:
            constraint(of_all, ids[prefixes], documents)
        log_probs.copy_(of_all[:, :, ids])

    return constrain
