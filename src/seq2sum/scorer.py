"""The scores of a search's steps, over the pieces that it may choose.

Shapes: B documents, S source positions, K beams, V pieces of the vocabulary, C pieces to choose from, of which G can be
generated, E embedding size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seq2sum.model.decoder import Decoded, Memory
from seq2sum.model.summarizer import SummarizerModel, mix_with_copies

# Logits normalized together on a CPU: a megabyte stays in the cache.
CHUNK_LOGITS = 2**18


def can_be_generated(model: SummarizerModel, shortlist: int, always: Sequence[int]) -> Tensor:
    """Which pieces [V] a search may generate: the ``shortlist`` commonest in summaries and ``always``; all if it is 0.

    How common a piece is the output bias about tells, as the network adds it whatever the document. Jean et al. (2015)
    search among the commonest words and a dictionary's for those of the document; here copying brings the document's.
    Without copying nothing is left out, as it could not be written at all.
    """
    bias = model.output_bias
    if not shortlist or not model.params.copy_source:
        return torch.ones_like(bias, dtype=torch.bool)
    generated = torch.zeros_like(bias, dtype=torch.bool)
    generated[bias.topk(min(shortlist, len(bias))).indices] = True
    generated[list(always)] = True
    return generated


class Scorer:
    """Log probabilities of the next piece, by its place in ``ids`` [C].

    First those that can be generated, then the other pieces of the documents ``source_ids`` [B, S], which only copying
    gives a probability. A document's scores are the same whatever the others are: their pieces have none.
    """

    @torch.no_grad()
    def __init__(self, model: SummarizerModel, source_ids: Tensor, generated: Tensor, num_rows: int) -> None:
        """For steps of at most ``num_rows`` beams in all; ``generated`` [V] is that of :func:`can_be_generated`."""
        stands_there = torch.zeros_like(generated)
        stands_there[source_ids] = True
        only_copied = (stands_there & ~generated).nonzero().squeeze(1)
        generated_ids = generated.nonzero().squeeze(1)
        self.ids = torch.cat([generated_ids, only_copied])
        self._place = torch.full_like(generated, -1, dtype=torch.long)
        self._place[self.ids] = torch.arange(len(self.ids), device=source_ids.device)
        self._copies = model.params.copy_source
        self._weight, self._bias = model.embedding.weight.detach(), model.output_bias.detach()
        if len(generated_ids) < len(generated):
            self._weight, self._bias = self._weight[generated_ids], self._bias[generated_ids]
        # Shared by the steps: fresh memory for each costs as much as the softmax.
        self._rows = self._bias.new_empty(num_rows, len(self.ids))

    def places(self, ids: Tensor) -> Tensor:
        """The place of each of ``ids`` [*], which must be of the documents or among those that can be generated."""
        return self._place[ids]

    @torch.no_grad()
    def __call__(self, memory: Memory, decoded: Decoded) -> Tensor:
        """Log probabilities [B, K, C], overwritten by the next call; ``memory.source_ids`` are places."""
        features = decoded.features.flatten(0, 1).float()
        rows = self._rows[: len(features)]
        generated, only_copied = rows[:, : len(self._bias)], rows[:, len(self._bias) :]
        torch.mm(features, self._weight.t(), out=generated)
        only_copied.fill_(-torch.inf)
        num_together = max(1, CHUNK_LOGITS // len(self._bias)) if rows.device.type == "cpu" else len(rows)
        for start in range(0, len(rows), num_together):
            some = generated[start : start + num_together]
            torch.log_softmax(some + self._bias, dim=-1, out=some)
        log_probs = rows.view(*decoded.features.shape[:2], -1)
        if self._copies:
            mix_with_copies(log_probs, memory.source_ids, decoded)
        return log_probs
