"""The models that the page shows, and what it tells of a summary, as plain JSON."""

import base64
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.language import CommonWords
from seq2sum.activations import reading_activations
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.explain import explain, segments
from seq2sum.files import sha256_of
from seq2sum.service.requests import requested_search
from seq2sum.summarize import Summarizer, Summary, Watch

Gate = Literal["forget", "input", "output"]
_DIGITS = 4


@dataclass(frozen=True)
class ShownModel:
    """A model under the name it has on the page, one caller at a time."""

    name: str
    sha256: str
    summarizer: Summarizer
    search: SearchParams
    common_words: CommonWords | None
    lock: threading.Lock

    @classmethod
    def load(cls, name: str, folder: Path, device: str) -> "ShownModel":
        """Raises UserError if the folder holds no whole model with search settings."""
        summarizer = Summarizer.load(folder, device)
        if summarizer.search is None:
            raise UserError(f"{folder}: has no search settings (search.json).")
        digest = sha256_of(folder / "model.safetensors")
        common_words = CommonWords.of_version(folder, summarizer.tokenizer)
        return cls(name, digest, summarizer, summarizer.search, common_words, threading.Lock())

    def about(self) -> dict[str, Any]:
        """What the page has to know before it asks for a summary."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "search": self.search.model_dump(),
            "max_source_tokens": self.summarizer.max_source_tokens,
            "encoder": self.summarizer.model.params.encoder,
        }

    def summarize(
        self, documents: Sequence[str], changes: dict[str, Any], num_best: int, watch: Watch | None = None
    ) -> list[list[Summary]]:
        """The best summaries of each document, with ``changes`` to the search settings. Raises UserError."""
        search = self.settings(changes)
        with self.lock:
            return self.summarizer.summarize_best(documents, search, min(num_best, search.beam_size), watch=watch)

    def is_foreign(self, document: str) -> bool:
        """Whether it looks like a language or script that the model did not learn."""
        tokenizer = self.summarizer.tokenizer
        return self.common_words is not None and bool(self.common_words.foreign([document], tokenizer))

    def settings(self, changes: dict[str, Any]) -> SearchParams:
        """The search settings with ``changes``. Raises UserError if they can't be or ask for too much."""
        return requested_search(self.search, changes)

    def explain(self, document: str, ids: Sequence[int]) -> dict[str, Any]:
        """Where the words of the summary with pieces ``ids`` come from, and the attention [pieces, source pieces]."""
        if any(not 0 <= piece < self.summarizer.tokenizer.vocab_size for piece in ids):
            raise UserError("ids: not pieces of this model. Summarize anew.")
        with self.lock:
            found = explain(self.summarizer, document, ids)
        return {
            "segments": [[part.text, part.first, part.last] for part in segments(document, found.source_spans)],
            "source_pieces": found.source_pieces,
            "pieces": [
                {"text": one.piece, "probability": _rounded(one.probability), "copied": _rounded(one.copied)}
                for one in found.origins
            ],
            "attention": [[_rounded(weight) for weight in one.attention] for one in found.origins],
            "words": [
                {
                    "text": word.text,
                    "first": word.first,
                    "last": word.last,
                    "probability": _rounded(word.probability),
                    "copied": _rounded(word.copied),
                    "in_document": bool(word.sources),
                    "sources": [[position, _rounded(weight)] for position, weight in word.sources if weight >= 0.01],
                }
                for word in found.words
            ],
        }

    def gates(self, document: str, gate: Gate, *, reverse: bool) -> dict[str, Any]:
        """A gate of the LSTM that reads: 0 to 255 for its values 0 to 1, [units, pieces] row by row in base64.

        The units stand by their mean, the smallest first.
        """
        with self.lock:
            values = getattr(reading_activations(self.summarizer, document, reverse=reverse), gate).numpy().T
        values = values[values.mean(axis=1).argsort(kind="stable")]
        ids = self.summarizer.tokenizer.encode(document.strip())[: values.shape[1]]
        return {
            "source_pieces": self.summarizer.tokenizer.pieces(ids),
            "num_units": len(values),
            "values": base64.b64encode((values * 255).round().astype("u1").tobytes()).decode(),
        }


def _rounded(number: float) -> float:
    return round(number, _DIGITS)
