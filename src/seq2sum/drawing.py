"""Summaries drawn from a model's own distribution: joins model and sampling, for training and for search.

Shapes: B documents, K summaries of each, L pieces at most.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2sum.data.tokenizer import BOS, EOS
from seq2sum.decoding.sampling import DrawFunction, draw_sequences
from seq2sum.model.decoder import DecoderState, Memory
from seq2sum.model.summarizer import SummarizerModel

Ids = NDArray[np.integer]
# Numbers that decide over a piece: whether to copy, which piece to generate, which position to copy.
CHOICES = 3


def draw_summaries(model: SummarizerModel, memory: Memory, uniforms: Tensor) -> list[list[Ids]]:
    """The ids, without end, of K summaries drawn for each document of ``memory``.

    ``uniforms`` [L, B, K, 3] are random numbers of [0, 1): they alone decide what is drawn.
    """
    steps = iter(uniforms)

    def draw(latest_ids: Tensor, state: DecoderState, is_open: Tensor) -> tuple[Tensor, DecoderState]:
        decoded, state = model.step(memory, state, latest_ids)
        return model.draw(memory, decoded, next(steps), is_open), state

    return _write(draw, model, memory, uniforms.shape[2], max_tokens=len(uniforms))


def greedy_summaries(model: SummarizerModel, memory: Memory, max_tokens: int) -> list[Ids]:
    """The ids, without end, of each document's greedy summary."""

    def choose(latest_ids: Tensor, state: DecoderState, _is_open: Tensor) -> tuple[Tensor, DecoderState]:
        decoded, state = model.step(memory, state, latest_ids)
        return model.log_probs(memory, decoded).argmax(dim=-1), state

    return [rows[0] for rows in _write(choose, model, memory, 1, max_tokens)]


def _write(
    draw: DrawFunction[DecoderState], model: SummarizerModel, memory: Memory, num_rows: int, max_tokens: int
) -> list[list[Ids]]:
    begin = torch.full((len(memory.states), num_rows), BOS, device=memory.states.device)
    state = model.decoder.initial_state(memory).select(torch.zeros_like(begin))
    ids, lengths = draw_sequences(draw, state, begin, max_tokens, EOS)
    return [
        [row[:length] for row, length in zip(*of_document, strict=True)]
        for of_document in zip(ids.numpy(force=True), lengths.tolist(), strict=True)
    ]
