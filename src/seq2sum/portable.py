"""A model without PyTorch: summaries from an exported folder by ONNX Runtime and NumPy alone.

`python -m seq2sum.portable FOLDER < document` prints a summary. :mod:`seq2sum.export` writes such folders.

Shapes: S source positions, K beams, V pieces. Documents are read one at a time.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2sum.config import SearchParams
from seq2sum.data.tokenizer import BOS, EOS, MASK, PAD, Tokenizer
from seq2sum.decoding.hypothesis import Hypothesis, length_penalty
from seq2sum.errors import UserError
from seq2sum.params_file import read_section
from seq2sum.section import Section

FACTS_FILE = "export.json"
ENCODER_FILE = "encoder.onnx"
STEP_FILE = "step.onnx"
TOKENIZER_FILE = "tokenizer.json"
FORMAT = 1
# Scores looked at together in the search for the best: as many as a vector unit compares fast.
BLOCK = 64
# What the search here does without, and the value that turns it off.
WITHOUT = {"coverage_penalty": 0.0, "max_words": 0, "block_ngrams": 0, "source_support": False, "risk_samples": 0}

Floats = NDArray[np.float32]
State = list[Floats]
# Latest ids [K] and state, whose arrays are [1, K, *] → log probabilities [K, V] of the next piece, and the new state.
StepFunction = Callable[[NDArray[np.int64], State], tuple[Floats, State]]


class PortableFacts(Section):
    """What export.json says: how to cut the input and how to search."""

    format: int
    max_source_tokens: int
    search: SearchParams


class PortableSummary(NamedTuple):
    """A summary; ``score`` is its log probability over the length penalty."""

    text: str
    score: float
    truncated: bool


class PortableSummarizer:
    """An exported model ready to summarize text, on ``num_threads`` threads."""

    def __init__(self, folder: Path, num_threads: int = 1) -> None:
        """Reads a folder. Raises UserError naming the file that is missing or damaged."""
        self.facts = read_section(folder / FACTS_FILE, PortableFacts)
        if self.facts.format != FORMAT:
            raise UserError(f"{folder / FACTS_FILE}: format {self.facts.format}; this version reads format {FORMAT}.")
        self.tokenizer = Tokenizer.load(folder / TOKENIZER_FILE)
        self._encoder, self._step = (_session(folder / name, num_threads) for name in (ENCODER_FILE, STEP_FILE))

    def summarize(self, documents: Sequence[str]) -> list[PortableSummary]:
        """One summary per document, in order; that of a document without text is empty."""
        encoded = self.tokenizer.encode_batch([document.strip() for document in documents])
        return [self._summarize(ids) for ids in encoded]

    def _summarize(self, ids: Sequence[int]) -> PortableSummary:
        if not ids:
            return PortableSummary("", 0.0, False)
        limit = self.facts.max_source_tokens
        source_ids = np.array([ids[:limit]], dtype=np.int64)
        states, keys, *state = self._encoder(None, {"source_ids": source_ids})

        def step(latest_ids: NDArray[np.int64], state: State) -> tuple[Floats, State]:
            inputs = {"latest_ids": latest_ids[None], "source_ids": source_ids, "states": states, "keys": keys}
            log_probs, *new = self._step(None, inputs | dict(zip(STATE_NAMES, state, strict=True)))
            return log_probs[0], new

        best = beam_search(step, state, self.facts.search, BOS, EOS, (PAD, BOS, MASK))[0]
        return PortableSummary(self.tokenizer.decode(best.ids).strip(), best.score, len(ids) > limit)


STATE_NAMES = ("bottom_hidden", "bottom_cell", "top_hidden", "top_cell")


def beam_search(
    step: StepFunction, state: State, params: SearchParams, begin_id: int, end_id: int, forbidden_ids: Sequence[int]
) -> list[Hypothesis]:
    """The hypotheses of one document, best first: :func:`seq2sum.decoding.search.beam_search` without constraints.

    Raises UserError if ``params`` ask for what is not here, or leave nothing to choose.
    """
    asked = [name for name, off in WITHOUT.items() if getattr(params, name) != off]
    if asked:
        raise UserError(f"the exported form has no {', '.join(asked)}: set {'them' if len(asked) > 1 else 'it'} to 0.")
    finished: list[Hypothesis] = []
    totals, latest_ids = np.zeros(1), np.array([begin_id])
    prefixes: list[list[int]] = [[]]
    last_penalty = length_penalty(params.max_tokens + 1, params.length_penalty)
    for num_pieces in range(params.max_tokens + 1):
        log_probs, state = step(latest_ids, state)
        log_probs = log_probs.astype(np.float64)
        log_probs[:, list(forbidden_ids)] = -np.inf
        if num_pieces < params.min_tokens:
            log_probs[:, end_id] = -np.inf
        if num_pieces == params.max_tokens:
            log_probs[:, np.arange(log_probs.shape[1]) != end_id] = -np.inf
        best, beams, pieces = _best(totals[:, None] + log_probs, 2 * params.beam_size)
        ends = (pieces == end_id) & (best > -np.inf)
        penalty = length_penalty(num_pieces + 1, params.length_penalty)
        # As in the other search, only an end among the K best counts.
        for rank in np.flatnonzero(ends[: params.beam_size]):
            finished.append(Hypothesis(prefixes[beams[rank]], float(best[rank] / penalty)))
        is_open = np.flatnonzero((pieces != end_id) & (best > -np.inf))[: params.beam_size]
        scores = [hypothesis.score for hypothesis in finished]
        is_full = len(finished) >= params.beam_size
        if not len(is_open) or is_full or (scores and best[is_open[0]] / last_penalty <= max(scores)):
            break
        totals, latest_ids = best[is_open], pieces[is_open]
        prefixes = [[*prefixes[beams[rank]], int(pieces[rank])] for rank in is_open]
        state = [values[:, beams[is_open]] for values in state]
    if not finished:
        raise UserError(f"no summary meets the search settings ({params}). Loosen them.")
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)


def _best(scores: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """The ``count`` largest of ``scores`` [K, V], largest first, with their beams and pieces."""
    flat = scores.ravel()
    count = min(count, len(flat))
    # The maxima of blocks are scores, too: what is below the ``count`` best of them can't be among the best of all.
    maxima = np.maximum.reduceat(flat, np.arange(0, len(flat), min(BLOCK, len(flat) // count)))
    likely = np.flatnonzero(flat >= np.partition(maxima, -count)[-count])
    largest = likely[np.argsort(-flat[likely], kind="stable")][:count]
    beams, pieces = np.divmod(largest, scores.shape[1])
    return flat[largest], beams, pieces


def _session(path: Path, num_threads: int) -> Callable[..., list[Floats]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("ONNX Runtime is missing. Install it: pip install 'seq2sum[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    try:
        run: Callable[..., list[Floats]] = onnxruntime.InferenceSession(path, options).run
    except Exception as error:
        raise UserError(f"{path}: missing or damaged: {error}. Export the model again.") from error
    return run


if __name__ == "__main__":
    try:
        document = sys.stdin.buffer.read().decode()
        print(PortableSummarizer(Path(sys.argv[1])).summarize([document])[0].text)
    except UnicodeDecodeError as error:
        sys.exit(f"standard input: byte {error.start + 1} is not UTF-8. Convert it, with iconv say.")
    except UserError as error:
        sys.exit(str(error))
