"""Summaries drawn from a model's own distribution: joins model and sampling, for training and for search.

Shapes: B documents, K summaries of each, L pieces at most.
"""

import itertools
from dataclasses import dataclass

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


@dataclass(frozen=True)
class _DrawState:
    """The documents as read, the decoder's state of every summary, and the random numbers of each [B, K, L, 3]."""

    memory: Memory
    decoder: DecoderState
    uniforms: Tensor

    def select(self, beam_indices: Tensor) -> "_DrawState":
        index = beam_indices[:, :, None, None].expand(-1, -1, *self.uniforms.shape[2:])
        return _DrawState(self.memory, self.decoder.select(beam_indices), self.uniforms.gather(1, index))

    def keep(self, document_indices: Tensor) -> "_DrawState":
        memory, decoder = self.memory.keep(document_indices), self.decoder.keep(document_indices)
        return _DrawState(memory, decoder, self.uniforms[document_indices])


def draw_summaries(model: SummarizerModel, memory: Memory, uniforms: Tensor) -> list[list[Ids]]:
    """The ids, without end, of K summaries drawn for each document of ``memory``.

    ``uniforms`` [L, B, K, 3] are random numbers of [0, 1): they alone decide what is drawn.
    """
    steps = itertools.count()

    def draw(latest_ids: Tensor, state: _DrawState, is_open: Tensor) -> tuple[Tensor, _DrawState]:
        decoded, decoder = model.step(state.memory, state.decoder, latest_ids)
        ids = model.draw(state.memory, decoded, state.uniforms[:, :, next(steps)], is_open)
        return ids, _DrawState(state.memory, decoder, state.uniforms)

    return _write(draw, model, memory, uniforms.permute(1, 2, 0, 3))


def greedy_summaries(model: SummarizerModel, memory: Memory, max_tokens: int) -> list[Ids]:
    """The ids, without end, of each document's greedy summary."""

    def choose(latest_ids: Tensor, state: _DrawState, _is_open: Tensor) -> tuple[Tensor, _DrawState]:
        decoded, decoder = model.step(state.memory, state.decoder, latest_ids)
        return model.log_probs(state.memory, decoded).argmax(dim=-1), _DrawState(state.memory, decoder, state.uniforms)

    return [
        rows[0] for rows in _write(choose, model, memory, memory.states.new_empty(len(memory.states), 1, max_tokens, 0))
    ]


def _write(draw: DrawFunction[_DrawState], model: SummarizerModel, memory: Memory, uniforms: Tensor) -> list[list[Ids]]:
    num_documents, num_rows, max_tokens, _ = uniforms.shape
    begin = torch.full((num_documents, num_rows), BOS, device=uniforms.device)
    decoder = model.decoder.initial_state(memory).select(torch.zeros_like(begin))
    state = _DrawState(memory, decoder, uniforms)
    ids, lengths = draw_sequences(draw, state, begin, max_tokens, EOS)
    return [
        [row[:length] for row, length in zip(*of_document, strict=True)]
        for of_document in zip(ids.numpy(force=True), lengths.tolist(), strict=True)
    ]
