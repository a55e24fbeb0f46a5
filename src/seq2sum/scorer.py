"""Log probabilities of every next piece, made for a search: many steps of the same shape.

Shapes: B documents, K beams, E embedding size, V pieces.
"""

import torch
from torch import Tensor

from seq2sum.model.decoder import Decoded, Memory
from seq2sum.model.summarizer import SummarizerModel, mix_with_copies

# Logits that are normalized together: a megabyte stays in the cache.
CHUNK_LOGITS = 2**18


class PieceScorer:
    """:meth:`SummarizerModel.log_probs` with the weights laid out once, and in a buffer that the steps share.

    A fresh block for all pieces of all beams would cost as much as the softmax, for its pages have to be zeroed. The
    product with the vocabulary is of type ``precision``, the rest float32.
    """

    def __init__(self, model: SummarizerModel, num_rows: int, precision: torch.dtype) -> None:
        """For at most ``num_rows`` beams of all documents at once."""
        self._copies = model.params.copy_source
        self._bias = model.output_bias.detach()
        embeddings = model.embedding.weight.detach()
        self._weight = embeddings.to(precision).t().contiguous()  # [E, V], as the product reads it
        self._log_probs = embeddings.new_empty(num_rows, len(embeddings))
        is_rounded = precision != embeddings.dtype
        self._products = torch.empty_like(self._log_probs, dtype=precision) if is_rounded else self._log_probs

    @torch.no_grad()
    def __call__(self, memory: Memory, decoded: Decoded) -> Tensor:
        """The log probabilities [B, K, V], which the next call overwrites."""
        features = decoded.features.flatten(0, 1).to(self._weight.dtype)
        found, products = self._log_probs[: len(features)], self._products[: len(features)]
        torch.mm(features, self._weight, out=products)
        num_rows = max(1, CHUNK_LOGITS // found.shape[1])
        for start in range(0, len(found), num_rows):
            logits = found[start : start + num_rows]
            if products.dtype != logits.dtype:
                logits.copy_(products[start : start + num_rows])
            # In place: each row is read to its end, twice, before it is written.
            torch.log_softmax(logits.add_(self._bias), dim=-1, out=logits)
        log_probs = found.view(*decoded.features.shape[:2], -1)
        if self._copies:
            mix_with_copies(log_probs, memory.source_ids, decoded)
        return log_probs
