"""Documents to summaries: the one place that joins tokenizer, model and search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seq2sum.config import SearchParams, read_section
from seq2sum.data.batch import make_source
from seq2sum.data.tokenizer import BOS, EOS, MASK, PAD, Tokenizer
from seq2sum.decoding.search import Hypothesis, beam_search
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.model.decoder import DecoderState, Memory
from seq2sum.model.folder import load_model
from seq2sum.model.summarizer import SummarizerModel

SEARCH_FILE = "search.json"

# Padded source tokens decoded together. Memory grows with it; the result does not change.
BATCH_TOKENS = 16_000


@dataclass(frozen=True)
class Summary:
    """A document's summary with its length-normalized log probability, and whether the document was cut to fit."""

    text: str
    score: float
    truncated: bool


@dataclass(frozen=True)
class _SearchState:
    """The network's side of the search: the documents as read, and the decoder's state of every beam."""

    memory: Memory
    decoder: DecoderState

    def select(self, beam_indices: Tensor) -> "_SearchState":
        return _SearchState(self.memory, self.decoder.select(beam_indices))

    def keep(self, document_indices: Tensor) -> "_SearchState":
        return _SearchState(self.memory.keep(document_indices), self.decoder.keep(document_indices))


class Summarizer:
    """A trained model ready to summarize text.

    ``search`` holds the model folder's own search settings, or None where it has none.
    """

    def __init__(
        self, model: SummarizerModel, tokenizer: Tokenizer, max_source_tokens: int, search: SearchParams | None
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.max_source_tokens = max_source_tokens
        self.search = search

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Summarizer":
        """Reads a model folder. Raises UserError naming the file that is missing or damaged."""
        model, tokenizer, max_source_tokens = load_model(folder)
        search = folder / SEARCH_FILE
        settings = read_section(search, SearchParams) if search.exists() else None
        return cls(model.to(device), tokenizer, max_source_tokens, settings)

    def summarize(self, documents: Sequence[str], search: SearchParams, progress: bool = False) -> list[Summary]:
        """One summary per document, in order. A document without text gets an empty summary.

        Documents longer than the model reads are cut, and the summary says so. Raises UserError if the search settings
        leave no way to end a summary.
        """
        summaries = [Summary("", 0.0, False)] * len(documents)
        encoded = self.tokenizer.encode_batch([document.strip() for document in documents])
        with tqdm(total=len(documents), desc="summarize", unit="doc", disable=not progress, mininterval=1) as bar:
            for indices in self._batches([len(ids) for ids in encoded]):
                rows = [np.array(encoded[index][: self.max_source_tokens]) for index in indices]
                for index, hypotheses in zip(indices, self._search(rows, search), strict=True):
                    if not hypotheses:
                        raise UserError(
                            f"document {index + 1}: no summary meets the search settings ({search}). Loosen them."
                        )
                    text = self.tokenizer.decode(hypotheses[0].ids).strip()
                    cut = len(encoded[index]) > self.max_source_tokens
                    summaries[index] = Summary(text, hypotheses[0].score, cut)
                bar.update(len(indices))
        return summaries

    @torch.no_grad()
    def _search(self, rows: Sequence[np.ndarray], search: SearchParams) -> list[list[Hypothesis]]:
        source = make_source(rows).to(self.model.embedding.weight.device)
        memory = self.model.encode(source.source_ids, source.source_lengths, source.source_mask)
        state = _SearchState(memory, self.model.decoder.initial_state(memory))
        begin = torch.full((len(rows), 1), BOS, device=source.source_ids.device)
        return beam_search(self._step, state, begin, search, EOS, forbidden_ids=(PAD, BOS, MASK))

    def _step(self, latest_ids: Tensor, state: _SearchState) -> tuple[Tensor, _SearchState]:
        decoded, decoder = self.model.step(state.memory, state.decoder, latest_ids)
        return self.model.log_probs(state.memory, decoded), _SearchState(state.memory, decoder)

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indices of the documents that have pieces, those of like length together, by padded size."""
        batches: list[list[int]] = []
        for index in sorted((i for i, length in enumerate(lengths) if length), key=lengths.__getitem__):
            padded = min(lengths[index], self.max_source_tokens)
            if not batches or (len(batches[-1]) + 1) * padded > BATCH_TOKENS:
                batches.append([])
            batches[-1].append(index)
        return batches


def save_search(folder: Path, search: SearchParams) -> None:
    """Writes the search settings that go with the model in ``folder``."""
    write_text(folder / SEARCH_FILE, search.model_dump_json(indent=2) + "\n")
