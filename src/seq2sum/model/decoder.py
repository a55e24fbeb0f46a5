"""The decoder, parallel in time under teacher forcing and stepwise in search.

Shapes: B documents, S source positions, T target positions, K beams, N target rows (B, or n for each document),
E embedding, D decoder size, F size of an encoder state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from seq2sum.config import AttentionKind
from seq2sum.model.attention import build_attention
from seq2sum.model.dropout import Noise, apply_noise
from seq2sum.model.encoder import Encoded

# Lets logits differ before the output embeddings have grown.
FEATURE_SCALE = 4.0


@dataclass(frozen=True)
class Memory:
    """A batch of encoded documents as the decoder reads them; computed once, shared by all steps and beams."""

    states: Tensor  # [B, S, F]
    keys: Tensor  # [B, S, *], what queries are compared with: for most attentions the states themselves
    source_ids: Tensor  # [B, S]
    source_mask: Tensor  # [B, S], True = real token
    final_hidden: Tensor  # [B, F]

    def keep(self, document_indices: Tensor) -> "Memory":
        """The documents ``document_indices`` [B'] alone."""
        states = self.states[document_indices]
        keys = states if self.keys is self.states else self.keys[document_indices]
        others = (self.source_ids, self.source_mask, self.final_hidden)
        return Memory(states, keys, *(values[document_indices] for values in others))


@dataclass(frozen=True)
class DecoderState:
    """The recurrent state of every beam, each [B, K, D]."""

    bottom_hidden: Tensor
    bottom_cell: Tensor
    top_hidden: Tensor
    top_cell: Tensor

    def select(self, beam_indices: Tensor) -> "DecoderState":
        """The states of ``beam_indices`` [B, K'] in their order."""
        num_documents, num_beams, _ = self.bottom_hidden.shape
        firsts = num_beams * torch.arange(num_documents, device=beam_indices.device).unsqueeze(1)
        # Whole rows of memory: a fraction of what gathering value by value takes.
        rows = (firsts + beam_indices).flatten()
        values = (getattr(self, field.name).flatten(0, 1).index_select(0, rows) for field in fields(self))
        return DecoderState(*(chosen.view(*beam_indices.shape, -1) for chosen in values))

    def keep(self, document_indices: Tensor) -> "DecoderState":
        """The documents ``document_indices`` [B'] alone."""
        return DecoderState(*(getattr(self, field.name)[document_indices] for field in fields(self)))


@dataclass(frozen=True)
class Decoded:
    """What the output layer and the loss need for every query: [N, T] of them, or [B, K] in a step of search."""

    features: Tensor  # [N, T, E]: dot products with the output embeddings give the logits
    gate_logit: Tensor  # [N, T]: log-odds of generating rather than copying
    attn_log_weights: Tensor  # [N, T, S]: log probability of reading, and of copying, each source position


class Decoder(nn.Module):
    """Two LSTMs with attention between them, as in GNMT (Wu et al. 2016) and without input feeding.

    The bottom LSTM reads target embeddings only, so all its states are known at once under teacher forcing; they query
    the document; the top LSTM reads state and context. The same attention points at the piece to copy (See et al.
    2017), and the gate weighs pointing against generating.
    """

    def __init__(self, embedding_size: int, state_size: int, hidden_size: int, attention: AttentionKind) -> None:
        super().__init__()
        self.bottom = nn.LSTM(embedding_size, hidden_size)
        self.top = nn.LSTM(hidden_size + state_size, hidden_size)
        self.init_bottom = nn.Linear(state_size, 2 * hidden_size)
        self.init_top = nn.Linear(state_size, 2 * hidden_size)
        self.attention = build_attention(attention, hidden_size, state_size)
        self.to_features = nn.Linear(hidden_size + state_size, embedding_size)
        self.gate = nn.Linear(hidden_size + state_size + embedding_size, 1)

    def remember(self, encoded: Encoded, source_ids: Tensor, source_mask: Tensor) -> Memory:
        """Projects the encoder's output once for all steps."""
        return Memory(
            states=encoded.states,
            keys=self.attention.keys(encoded.states),
            source_ids=source_ids,
            source_mask=source_mask,
            final_hidden=encoded.final_hidden,
        )

    def initial_state(self, memory: Memory) -> DecoderState:
        """The state before the first step, one beam per document: each [B, 1, D]."""
        bottom_hidden, bottom_cell = torch.tanh(self.init_bottom(memory.final_hidden)).unsqueeze(1).chunk(2, dim=-1)
        top_hidden, top_cell = torch.tanh(self.init_top(memory.final_hidden)).unsqueeze(1).chunk(2, dim=-1)
        return DecoderState(bottom_hidden, bottom_cell, top_hidden, top_cell)

    def forward(self, memory: Memory, embedded: Tensor, noise: Noise | None = None) -> Decoded:
        """All steps at once for target embeddings ``embedded`` [N, T, E] (teacher forcing).

        N is B or a multiple of it; the N / B targets of a document follow each other and share its memory.
        """
        num_targets = len(embedded) // len(memory.states)
        start = self.initial_state(memory).select(embedded.new_zeros(len(memory.states), num_targets, dtype=torch.long))
        bottom = _run_in_time(self.bottom, embedded, start.bottom_hidden, start.bottom_cell)
        context, log_weights = self._attend(memory, bottom)
        top_input = apply_noise(noise, torch.cat([bottom, context], dim=-1))
        top = _run_in_time(self.top, top_input, start.top_hidden, start.top_cell)
        return self._read_out(memory, embedded, top, context, log_weights, noise)

    def step(self, memory: Memory, state: DecoderState, embedded: Tensor) -> tuple[Decoded, DecoderState]:
        """One step of K beams per document, for the embeddings ``embedded`` [B, K, E] of their latest pieces."""
        bottom, bottom_cell = _run_once(self.bottom, embedded, state.bottom_hidden, state.bottom_cell)
        context, log_weights = self._attend(memory, bottom)
        top_input = torch.cat([bottom, context], dim=-1)
        top, top_cell = _run_once(self.top, top_input, state.top_hidden, state.top_cell)
        decoded = self._read_out(memory, embedded, top, context, log_weights, None)
        return decoded, DecoderState(bottom, bottom_cell, top, top_cell)

    def _attend(self, memory: Memory, queries: Tensor) -> tuple[Tensor, Tensor]:
        log_weights = self.attention.log_weights(_by_document(memory, queries), memory.keys, memory.source_mask)
        context = torch.bmm(log_weights.exp(), memory.states)
        return context.view(*queries.shape[:2], -1), log_weights.view(*queries.shape[:2], -1)

    def _read_out(
        self, memory: Memory, embedded: Tensor, top: Tensor, context: Tensor, log_weights: Tensor, noise: Noise | None
    ) -> Decoded:
        joined = apply_noise(noise, torch.cat([top, context], dim=-1))
        return Decoded(
            features=apply_noise(noise, FEATURE_SCALE * torch.tanh(self.to_features(joined))),
            gate_logit=self.gate(torch.cat([joined, embedded], dim=-1)).squeeze(-1),
            attn_log_weights=log_weights,
        )


def _by_document(memory: Memory, queries: Tensor) -> Tensor:
    """The queries [N, T, D] of N = n · B rows as [B, n · T, D]: those of a document together."""
    return queries.reshape(len(memory.states), -1, queries.shape[-1])


def _run_in_time(lstm: nn.LSTM, inputs: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
    """All steps of ``lstm`` over ``inputs`` [N, T, *] from ``hidden`` and ``cell`` [B, n, D]: states [N, T, D]."""
    start = (hidden.flatten(0, 1).unsqueeze(0), cell.flatten(0, 1).unsqueeze(0))
    states: Tensor = lstm(inputs.transpose(0, 1).contiguous(), start)[0]
    return states.transpose(0, 1).contiguous()


def _run_once(lstm: nn.LSTM, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of ``lstm`` for ``inputs`` [B, K, *]: the new hidden and cell [B, K, D]."""
    flat = (hidden.flatten(0, 1), cell.flatten(0, 1))
    weights: Sequence[Tensor] = lstm.all_weights[0]
    new_hidden, new_cell = torch.lstm_cell(inputs.flatten(0, 1), flat, *weights)
    return new_hidden.view_as(hidden), new_cell.view_as(cell)
