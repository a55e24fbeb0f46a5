"""Hand-made models for the search: the next piece depends on the latest alone, so a reader can check on paper."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2sum.config import SearchParams
from seq2sum.decoding.hypothesis import Hypothesis
from seq2sum.decoding.search import beam_search

END, BEGIN = 0, 1


@dataclass(frozen=True)
class Trace:
    """A state that remembers what was read, [B, K, L], the document's number first."""

    read: Tensor

    def select(self, beam_indices: Tensor) -> "Trace":
        return Trace(self.read.gather(1, beam_indices.unsqueeze(2).expand(-1, -1, self.read.shape[2])))

    def keep(self, document_indices: Tensor) -> "Trace":
        return Trace(self.read[document_indices])


def search_params(**changes: object) -> SearchParams:
    """Plain search with a beam of 2 and at most 4 pieces."""
    values = {"beam_size": 2, "length_penalty": 0.0, "coverage_penalty": 0.0, "min_tokens": 0, "max_tokens": 4}
    off = {
        "max_words": 0,
        "block_ngrams": 0,
        "source_support": False,
        "shortlist": 0,
        "risk_samples": 0,
        "risk_tokenizer": "rouge",
        "risk_seed": 1,
    }
    return SearchParams.model_validate(values | off | changes)


def search(
    tables: Tensor, forbidden=(BEGIN,), constraints=(), end_bonus=None, num_best=1, **changes
) -> list[list[Hypothesis]]:
    """Searches with one [V, V] table of next-piece probabilities per document."""
    num_documents = len(tables)

    def step(latest, state):
        documents = state.read[:, :1, 0]
        return tables[documents, latest].log(), Trace(torch.cat([state.read, latest.unsqueeze(2)], dim=2))

    return beam_search(
        step,
        Trace(torch.arange(num_documents).view(-1, 1, 1)),
        torch.full((num_documents, 1), BEGIN),
        search_params(**changes),
        END,
        forbidden,
        constraints,
        end_bonus,
        num_best,
    )


def random_tables(num_documents: int, num_pieces: int, seed: int) -> Tensor:
    """One [V, V] table of next-piece probabilities, none 0, for each document."""
    tables = torch.rand(num_documents, num_pieces, num_pieces, generator=torch.Generator().manual_seed(seed)) + 0.01
    return tables / tables.sum(2, keepdim=True)
