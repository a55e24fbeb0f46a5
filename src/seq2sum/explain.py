"""Where the pieces and words of a summary come from: generated or copied, from where, and what the model looked at."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seq2sum.data.batch import make_batch
from seq2sum.data.tokenizer import EOS, Tokenizer
from seq2sum.errors import UserError
from seq2sum.summarize import Summarizer

Span = tuple[int, int]


@dataclass(frozen=True)
class Origin:
    """A piece of a summary, or its end, and where it comes from. Positions are those of the document's pieces.

    ``copied`` is the share of ``probability`` that comes from copying: (1 - gate) · copy(piece) over the mixture.
    ``sources`` holds the positions that could be copied from, the most likely first, with weights that sum to 1; none
    where the document does not hold the piece or the model does not copy. ``attention`` [S] sums to 1.
    """

    piece: str
    probability: float
    copied: float
    sources: tuple[tuple[int, float], ...]
    attention: tuple[float, ...]


@dataclass(frozen=True)
class Word:
    """A summary's word, as white space separates them: what a person reads, where the model writes pieces.

    It is made of the origins [``first``, ``last``). ``probability`` is the product of theirs, ``copied`` the mean of
    their shares. ``sources`` are those of its pieces, each piece with the weight that it was copied with, and sum to
    ``copied``.
    """

    text: str
    first: int
    last: int
    probability: float
    copied: float
    sources: tuple[tuple[int, float], ...]

    @property
    def is_copied(self) -> bool:
        """Whether it was rather copied than generated."""
        return self.copied >= 0.5


@dataclass(frozen=True)
class Explanation:
    """Every piece of a summary explained, its end last, under the pieces of the document that the model read.

    ``source_spans`` are the characters [start, end) of the document that each of its pieces stands for, without the
    space before it. ``words`` are the pieces taken together. ``log_prob`` is that of the whole summary: its score
    without penalties. ``truncated`` says that the document was cut to fit.
    """

    source_pieces: tuple[str, ...]
    source_spans: tuple[Span, ...]
    origins: tuple[Origin, ...]
    words: tuple[Word, ...]
    log_prob: float
    truncated: bool


@torch.no_grad()
def explain(summarizer: Summarizer, document: str, summary: str | Sequence[int]) -> Explanation:
    """Explains a summary, given as text or as the pieces of a hypothesis (``Summary.ids``), in one pass of the model.

    Text is split as the tokenizer does, where the search may have chosen other pieces. Raises UserError if the document
    has no text.
    """
    model, tokenizer = summarizer.model, summarizer.tokenizer
    source_ids, spans = tokenizer.encode_with_spans(document.strip())
    if not source_ids:
        raise UserError("The document has no text, so there is nothing to explain.")
    truncated = len(source_ids) > summarizer.max_source_tokens
    source_ids, spans = source_ids[: summarizer.max_source_tokens], spans[: summarizer.max_source_tokens]
    ids = tokenizer.encode(summary.strip()) if isinstance(summary, str) else list(summary)
    batch = make_batch([np.array(source_ids)], [np.array(ids, dtype=np.int64)]).to(model.embedding.weight.device)
    source = batch.source
    memory = model.encode(source.source_ids, source.source_lengths, source.source_mask)
    decoded = model.decode(memory, batch.targets.target_in)
    log_probs = model.log_probs(memory, decoded)[0].gather(1, batch.targets.target_out[0].unsqueeze(1)).squeeze(1)

    copies = torch.zeros_like(decoded.attn_log_weights[0])  # [T, S]: probability of copying the piece from a position
    if model.params.copy_source:
        holds_piece = batch.targets.target_out[0].unsqueeze(1) == source.source_ids[0]
        copying = torch.sigmoid(-decoded.gate_logit[0]).unsqueeze(1)
        copies = copying * decoded.attn_log_weights[0].exp() * holds_piece
    copied = (copies.sum(dim=1) / log_probs.exp()).clamp(0.0, 1.0)
    start = len(document) - len(document.lstrip())
    origins = tuple(
        Origin(piece, probability, share, _sources(weights), tuple(attention))
        for piece, probability, share, weights, attention in zip(
            tokenizer.pieces([*ids, EOS]),
            log_probs.exp().tolist(),
            copied.tolist(),
            copies,
            decoded.attn_log_weights[0].exp().tolist(),
            strict=True,
        )
    )
    return Explanation(
        source_pieces=tuple(tokenizer.pieces(source_ids)),
        source_spans=tuple(_trimmed(document, start + first, start + last) for first, last in spans),
        origins=origins,
        words=tuple(_words(tokenizer, ids, origins)),
        log_prob=log_probs.double().sum().item(),
        truncated=truncated,
    )


@dataclass(frozen=True)
class Segment:
    """A part of a document and its pieces [``first``, ``last``): none for what stands between them or was not read."""

    text: str
    first: int
    last: int


def segments(document: str, spans: Sequence[Span]) -> Iterator[Segment]:
    """Cuts ``document`` where its pieces (``source_spans``) begin and end; joined, the parts are the document."""
    done, first = 0, 0
    while first < len(spans):
        start, end = max(spans[first][0], done), spans[first][1]
        last = first + 1
        while last < len(spans) and spans[last][0] < end:  # pieces of the same character
            end, last = max(end, spans[last][1]), last + 1
        if done < start:
            yield Segment(document[done:start], first, first)
        if start < end:
            yield Segment(document[start:end], first, last)
        done, first = max(end, done), last
    if done < len(document):
        yield Segment(document[done:], first, first)


def _words(tokenizer: Tokenizer, ids: Sequence[int], origins: Sequence[Origin]) -> Iterator[Word]:
    starts = [place for place in range(len(ids)) if not place or origins[place].piece[:1].isspace()]
    for first, last in itertools.pairwise([*starts, len(ids)]):
        pieces, text = origins[first:last], tokenizer.decode(ids[first:last]).strip()
        sources: dict[int, float] = {}
        for piece in pieces:
            for position, weight in piece.sources:
                sources[position] = sources.get(position, 0.0) + piece.copied * weight / len(pieces)
        if text:
            copied = sum(piece.copied for piece in pieces) / len(pieces)
            probability = math.prod(piece.probability for piece in pieces)
            by_weight = tuple(sorted(sources.items(), key=lambda source: -source[1]))
            yield Word(text, first, last, probability, copied, by_weight)


def _sources(copies: Tensor) -> tuple[tuple[int, float], ...]:
    """The positions with a probability in ``copies`` [S] and their shares of the sum, the largest first."""
    positions = copies.argsort(descending=True, stable=True)[: int((copies > 0).sum())]
    weights = copies[positions] / copies.sum()
    return tuple(zip(positions.tolist(), weights.tolist(), strict=True))


def _trimmed(document: str, start: int, end: int) -> Span:
    """The span without the white space it begins with, unless there is nothing else."""
    text = document[start:end]
    return (end - len(text.lstrip()) if text.strip() else start), end
