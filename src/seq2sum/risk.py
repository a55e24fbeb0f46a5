"""Minimum Bayes risk: of the search's summaries the one that is expected to score best, by the model's own account."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2sum.config import SearchParams
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.drawing import CHOICES, draw_summaries
from seq2sum.evaluation.fast_rouge import RougeReward
from seq2sum.model.decoder import Memory
from seq2sum.model.summarizer import SummarizerModel


class ExpectedRouge:
    """Judges candidates by their mean ROUGE against summaries drawn from the model and against each other.

    The likeliest summary is often too short or too general; the one that agrees best with all that the model holds
    possible is neither (Eikema & Aziz 2022, eq. 6, with sampled references). The candidates among the references stand
    for the likely summaries that few draws would hit. A document's draws depend on ``risk_seed`` and its own pieces.
    """

    def __init__(self, model: SummarizerModel, tokenizer: Tokenizer, search: SearchParams) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._search = search
        self._rouge = RougeReward(search.risk_tokenizer)

    @torch.no_grad()
    def __call__(
        self, memory: Memory, rows: Sequence[NDArray[np.integer]], candidates: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """The expected ROUGE, 0 to 1, of each document's ``candidates``; ``rows`` are the documents' pieces."""
        uniforms = torch.stack([self._uniforms(row) for row in rows], dim=1).to(memory.states.device)
        drawn = draw_summaries(self._model, memory, uniforms)
        return [
            self._expected([*(self._tokenizer.decode(ids) for ids in of_document), *texts], texts)
            for of_document, texts in zip(drawn, candidates, strict=True)
        ]

    def _uniforms(self, row: NDArray[np.integer]) -> Tensor:
        """A document's random numbers [L, K, 3]."""
        rng = np.random.default_rng((self._search.risk_seed, crc32(row.astype("<i4").tobytes())))
        shape = (self._search.max_tokens, self._search.risk_samples, CHOICES)
        return torch.from_numpy(rng.random(shape, dtype=np.float32))

    def _expected(self, references: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        pairs = [(text, reference) for text in texts for reference in references]
        scores = self._rouge([text for text, _ in pairs], [reference for _, reference in pairs])
        means: NDArray[np.float64] = scores.reshape(len(texts), len(references)).mean(axis=1)
        return means
