"""The assembled network: shared embeddings, encoder, decoder and the output distribution. No loss, no search.

Shapes: B batch, S source positions, T target positions, K beams, N queries (T or K), E embedding size, V pieces.
"""

import math

import torch
from torch import Tensor, nn

from seq2sum.config import ModelParams
from seq2sum.model.decoder import Decoded, Decoder, DecoderState, Memory
from seq2sum.model.dropout import Noise, apply_noise
from seq2sum.model.encoder import build_encoder
from seq2sum.model.initialization import initialize


class SummarizerModel(nn.Module):
    """Encoder, attentive LSTM decoder, copying; one embedding table for source, target and output.

    Tying input and output embeddings: Press & Wolf 2017.
    """

    def __init__(self, params: ModelParams, vocab_size: int) -> None:
        super().__init__()
        self.params = params
        self.embedding = nn.Embedding(vocab_size, params.embedding_size)
        self.output_bias = nn.Parameter(torch.zeros(vocab_size))
        self.encoder = build_encoder(params)
        self.decoder = Decoder(params.embedding_size, params.state_size, params.decoder_size, params.attention)
        nn.init.normal_(self.embedding.weight, std=params.embedding_size**-0.5)
        initialize(self)

    def embed(self, ids: Tensor, noise: Noise | None = None) -> Tensor:
        """Embeddings [*, E] of ``ids`` [*], scaled to unit variance."""
        scale = math.sqrt(self.params.embedding_size)
        return apply_noise(noise, self.embedding(ids) * scale)

    def encode(
        self, source_ids: Tensor, source_lengths: Tensor, source_mask: Tensor, noise: Noise | None = None
    ) -> Memory:
        """Reads documents ``source_ids`` [B, S]."""
        encoded = self.encoder(self.embed(source_ids, noise), source_lengths, noise)
        return self.decoder.remember(encoded, source_ids, source_mask)

    def decode(self, memory: Memory, target_in: Tensor, noise: Noise | None = None) -> Decoded:
        """All decoder steps for ``target_in`` [B, T] under teacher forcing."""
        decoded: Decoded = self.decoder(memory, self.embed(target_in, noise), noise)
        return decoded

    def step(self, memory: Memory, state: DecoderState, latest_ids: Tensor) -> tuple[Decoded, DecoderState]:
        """One decoder step for the ``latest_ids`` [B, K] of K beams per document."""
        return self.decoder.step(memory, state, self.embed(latest_ids))

    def log_probs(self, memory: Memory, decoded: Decoded) -> Tensor:
        """Log probability [B, N, V] of every next piece: generated or copied, summed over its source positions."""
        logits = nn.functional.linear(decoded.features, self.embedding.weight, self.output_bias)
        generated = torch.log_softmax(logits.float(), dim=-1)
        if not self.params.copy_source:
            return generated
        gate_logit = decoded.gate_logit.float().unsqueeze(-1)
        generated = generated + nn.functional.logsigmoid(gate_logit)
        copied = (decoded.copy_log_weights.float() + nn.functional.logsigmoid(-gate_logit)).exp()
        index = memory.source_ids.unsqueeze(1).expand_as(copied)
        return generated.exp().scatter_add(-1, index, copied).clamp_min(torch.finfo(torch.float32).tiny).log()
