"""What a search or a drawing carries from step to step. Shapes: B documents, K beams or sequences."""

from typing import Protocol, Self

from torch import Tensor


class SearchState(Protocol):
    """Whatever the step function carries from step to step, for every document and beam."""

    def select(self, beam_indices: Tensor) -> Self:
        """The state with beams ``beam_indices`` [B, K'] of each document, in that order."""

    def keep(self, document_indices: Tensor) -> Self:
        """The state of the documents ``document_indices`` [B'] alone."""
