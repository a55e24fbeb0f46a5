"""Documents to summaries: the one place that joins tokenizer, model and search."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seq2sum.config import SearchParams
from seq2sum.data.batch import make_source
from seq2sum.data.tokenizer import BOS, EOS, MASK, NUM_SPECIAL, PAD, Tokenizer
from seq2sum.decoding.constraints import Constraint, coverage_penalty, over_vocabulary
from seq2sum.decoding.hypothesis import Hypothesis
from seq2sum.decoding.search import beam_search
from seq2sum.decoding.source_support import SourceSupport, SupportTable
from seq2sum.decoding.word_limit import WordLimit, WordTable
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.model.decoder import DecoderState, Memory
from seq2sum.model.folder import load_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.params_file import read_section
from seq2sum.risk import ExpectedRouge
from seq2sum.scorer import Scorer, can_be_generated

SEARCH_FILE = "search.json"

# Told which document, by its place, and how its most likely unfinished summary reads, at each step of the search.
Watch = Callable[[int, str], None]

# Bounds of what is decoded together: padded source tokens, and probabilities (rows × beam × vocabulary) of a step.
# Memory grows with them; the result does not change.
BATCH_TOKENS = 16_000
BATCH_PROBABILITIES = 2**25


@dataclass(frozen=True)
class Summary:
    """A summary of a document.

    ``score`` is the search's: the log probability, among the pieces of its shortlist, over the length penalty, plus the
    coverage term; or, with ``risk_samples``, the expected ROUGE, 0 to 1. ``truncated`` says that the document was cut
    to fit. ``ids`` are the summary's pieces, as :func:`seq2sum.explain.explain` takes them.
    """

    text: str
    score: float
    truncated: bool
    ids: tuple[int, ...]


@dataclass(frozen=True)
class _SearchState:
    """The network's side of the search: the documents as read, and the decoder's state of every beam.

    ``coverage`` [B, K, S] is the attention that each source position got so far, where the search asks for it.
    """

    memory: Memory
    decoder: DecoderState
    coverage: Tensor | None

    def select(self, beam_indices: Tensor) -> "_SearchState":
        coverage = self.coverage
        if coverage is not None:
            coverage = coverage.gather(1, beam_indices.unsqueeze(2).expand(-1, -1, coverage.shape[2]))
        return _SearchState(self.memory, self.decoder.select(beam_indices), coverage)

    def keep(self, document_indices: Tensor) -> "_SearchState":
        coverage = None if self.coverage is None else self.coverage[document_indices]
        return _SearchState(self.memory.keep(document_indices), self.decoder.keep(document_indices), coverage)


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
        """One summary per document, in order: the best of :meth:`summarize_best`."""
        return [best[0] for best in self.summarize_best(documents, search, 1, progress)]

    def summarize_best(
        self,
        documents: Sequence[str],
        search: SearchParams,
        num_best: int,
        progress: bool = False,
        watch: Watch | None = None,
    ) -> list[list[Summary]]:
        """The up to ``num_best`` best summaries of each document, best first, no two with the same text.

        A document without text gets an empty summary. Documents longer than the model reads are cut, and their
        summaries say so. Raises UserError if the search settings leave no way to end a summary, or have a smaller beam
        than ``num_best``. What ``watch`` raises ends the search.
        """
        if num_best > search.beam_size:
            raise UserError(f"{num_best} summaries want a beam of that size or more, not {search.beam_size}.")
        summaries = [[Summary("", 0.0, False, ())] for _ in documents]
        num_found = search.beam_size if search.risk_samples else num_best
        encoded = self.tokenizer.encode_batch([document.strip() for document in documents])
        with tqdm(total=len(documents), desc="summarize", unit="doc", disable=not progress, mininterval=1) as bar:
            for indices in self._batches([len(ids) for ids in encoded], max(search.beam_size, search.risk_samples)):
                texts = [documents[index] for index in indices]
                rows = [np.array(encoded[index][: self.max_source_tokens]) for index in indices]
                of_batch = None if watch is None else functools.partial(_watch_at, watch, indices)
                found = []
                for index, hypotheses in zip(
                    indices, self._hypotheses(texts, rows, search, num_found, of_batch), strict=True
                ):
                    if not hypotheses:
                        raise UserError(
                            f"document {index + 1}: no summary meets the search settings ({search}). Loosen them."
                        )
                    found.append(self._distinct(hypotheses, len(encoded[index]) > self.max_source_tokens))
                if search.risk_samples:
                    found = self._by_expected_rouge(texts, rows, found, search)
                for index, of_document in zip(indices, found, strict=True):
                    summaries[index] = of_document[:num_best]
                bar.update(len(indices))
        return summaries

    def _distinct(self, hypotheses: Sequence[Hypothesis], truncated: bool) -> list[Summary]:
        """The hypotheses as summaries; of those that are spelled alike, with other pieces or spaces, the best."""
        found: dict[str, Summary] = {}
        for hypothesis in hypotheses:
            text = self.tokenizer.decode(hypothesis.ids).strip()
            found.setdefault(text, Summary(text, hypothesis.score, truncated, tuple(hypothesis.ids)))
        return list(found.values())

    def _hypotheses(
        self,
        texts: Sequence[str],
        rows: Sequence[np.ndarray],
        search: SearchParams,
        num_best: int,
        watch: Watch | None = None,
    ) -> list[list[Hypothesis]]:
        """The search's results for documents ``texts`` with pieces ``rows``.

        Where the settings leave no way to go on, first the shortlist gives way, and if that is not enough the wishes,
        no n-gram twice and no broken last word; the limits stay.
        """
        found = self._search(texts, rows, search, num_best, whole_words=True, watch=watch)
        every_piece = search.model_copy(update={"shortlist": 0})
        looser_ones = [(every_piece, True)] if search.shortlist else []
        for looser, whole_words in (*looser_ones, (every_piece.model_copy(update={"block_ngrams": 0}), False)):
            stuck = [index for index, hypotheses in enumerate(found) if not hypotheses]
            if not stuck:
                break
            again = self._search([texts[i] for i in stuck], [rows[i] for i in stuck], looser, num_best, whole_words)
            for index, hypotheses in zip(stuck, again, strict=True):
                found[index] = hypotheses
        return found

    @torch.no_grad()
    def _by_expected_rouge(
        self, texts: Sequence[str], rows: Sequence[np.ndarray], found: list[list[Summary]], search: SearchParams
    ) -> list[list[Summary]]:
        """The summaries found and the greedy one of each document, by expected ROUGE, which becomes their score."""
        greedy = self._hypotheses(texts, rows, search.model_copy(update={"beam_size": 1}), 1)
        candidates = []
        for summaries, hypotheses in zip(found, greedy, strict=True):
            known = {summary.text for summary in summaries}
            fresh = self._distinct(hypotheses, summaries[0].truncated)
            candidates.append([*summaries, *(summary for summary in fresh if summary.text not in known)])
        judge = ExpectedRouge(self.model, self.tokenizer, search)
        expected = judge(self._read(rows), rows, [[summary.text for summary in of_one] for of_one in candidates])
        judged = [
            [replace(summary, score=float(score)) for summary, score in zip(of_one, scores, strict=True)]
            for of_one, scores in zip(candidates, expected, strict=True)
        ]
        return [sorted(summaries, key=lambda summary: -summary.score) for summaries in judged]

    def _read(self, rows: Sequence[np.ndarray]) -> Memory:
        source = make_source(rows).to(self.model.embedding.weight.device)
        return self.model.encode(source.source_ids, source.source_lengths, source.source_mask)

    @torch.no_grad()
    def _search(
        self,
        texts: Sequence[str],
        rows: Sequence[np.ndarray],
        search: SearchParams,
        num_best: int,
        whole_words: bool,
        watch: Watch | None = None,
    ) -> list[list[Hypothesis]]:
        device = self.model.embedding.weight.device
        memory = self._read(rows)
        generated = can_be_generated(self.model, search.shortlist, range(NUM_SPECIAL))
        scorer = Scorer(self.model, memory.source_ids, generated, len(rows) * search.beam_size)
        memory = replace(memory, source_ids=scorer.places(memory.source_ids))
        coverage = torch.zeros(len(rows), 1, memory.source_ids.shape[1], device=device)
        beta = search.coverage_penalty
        state = _SearchState(memory, self.model.decoder.initial_state(memory), coverage if beta else None)
        constraints: list[Constraint] = []
        if search.source_support:
            constraints.append(SourceSupport(self._support_table, texts, search.max_tokens, device))
        if search.max_words:
            constraints.append(WordLimit(self._word_table, search.max_words, EOS, whole_words, device))
        if constraints and not generated.all():
            constraints = [over_vocabulary(constraints, scorer.ids, len(generated))]
        if watch is not None:
            constraints.append(functools.partial(self._tell, watch, scorer.ids))
        # The search knows pieces by their places among those to choose from; the special ones come first, at their ids.
        found = beam_search(
            functools.partial(self._step, scorer),
            state,
            latest_ids=torch.full((len(rows), 1), BOS, device=device),
            params=search,
            end_id=EOS,
            forbidden_ids=(PAD, BOS, MASK),
            constraints=constraints,
            end_bonus=functools.partial(_coverage_bonus, beta=beta) if beta else None,
            num_best=num_best,
        )
        ids = scorer.ids.tolist()
        return [[Hypothesis([ids[place] for place in one.ids], one.score) for one in best] for best in found]

    def _tell(self, watch: Watch, ids: Tensor, _log_probs: Tensor, prefixes: Tensor, documents: Tensor) -> None:
        """A constraint that forbids nothing: it sees the beams, as places in ``ids`` [C], the best one first."""
        for document, best in zip(documents.tolist(), ids[prefixes[:, 0]].tolist(), strict=True):
            watch(document, self.tokenizer.decode(best).strip())

    def _step(self, scorer: Scorer, latest: Tensor, state: _SearchState) -> tuple[Tensor, _SearchState]:
        decoded, decoder = self.model.step(state.memory, state.decoder, scorer.ids[latest])
        coverage = None if state.coverage is None else state.coverage + decoded.attn_log_weights.exp()
        return scorer(state.memory, decoded), _SearchState(state.memory, decoder, coverage)

    @functools.cached_property
    def _support_table(self) -> SupportTable:
        return SupportTable(self.tokenizer.piece_bytes(), EOS)

    @functools.cached_property
    def _word_table(self) -> WordTable:
        return WordTable(self.tokenizer.piece_bytes())

    def _batches(self, lengths: Sequence[int], num_beams: int) -> list[list[int]]:
        """Indices of the documents that have pieces, those of like length together, within the bounds of a batch."""
        most = max(1, BATCH_PROBABILITIES // (num_beams * self.tokenizer.vocab_size))
        batches: list[list[int]] = []
        for index in sorted((i for i, length in enumerate(lengths) if length), key=lengths.__getitem__):
            padded = min(lengths[index], self.max_source_tokens)
            if not batches or (len(batches[-1]) + 1) * padded > BATCH_TOKENS or len(batches[-1]) == most:
                batches.append([])
            batches[-1].append(index)
        return batches


def _watch_at(watch: Watch, indices: Sequence[int], place: int, text: str) -> None:
    watch(indices[place], text)


def _coverage_bonus(state: _SearchState, beta: float) -> Tensor:
    assert state.coverage is not None
    return coverage_penalty(state.coverage, state.memory.source_mask, beta)


def save_search(folder: Path, search: SearchParams) -> None:
    """Writes the search settings that go with the model in ``folder``."""
    write_text(folder / SEARCH_FILE, search.model_dump_json(indent=2) + "\n")
