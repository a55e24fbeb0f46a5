"""The assembled network: shared embeddings, encoder, decoder and the output distribution. No loss, no search.

Shapes: B documents, S source positions, T target positions, K beams, N target rows (B, or n for each document),
E embedding size, V pieces.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from seq2sum.config import ModelParams
from seq2sum.errors import UserError
from seq2sum.model.decoder import Decoded, Decoder, DecoderState, Memory
from seq2sum.model.dropout import Noise, apply_noise
from seq2sum.model.encoder import build_encoder
from seq2sum.model.initialization import initialize

# The table starts small so that the logits do; what the LSTMs read of it is larger. Unit variance learns slower.
EMBEDDING_SCALE = 4.0
# Rows of logits made together: 256 × 8,000 floats stay near the cache.
CHUNK_ROWS = 256


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

    @torch.no_grad()
    def start_from(self, ids: Tensor, vectors: Tensor) -> None:
        """Gives the pieces ``ids`` [n] the embeddings ``vectors`` [n, E], of a mean length of 1 like the others.

        Raises UserError if the vectors are of another size.
        """
        if vectors.shape[1] != self.params.embedding_size:
            raise UserError(
                f"encode.word_vectors has vectors of size {vectors.shape[1]}, train.model.embedding_size is "
                f"{self.params.embedding_size}. Set it to {vectors.shape[1]}."
            )
        self.embedding.weight[ids] = vectors

    def embed(self, ids: Tensor, noise: Noise | None = None) -> Tensor:
        """Embeddings [*, E] of ``ids`` [*], scaled for the LSTMs."""
        return apply_noise(noise, self.embedding(ids) * EMBEDDING_SCALE)

    def encode(
        self, source_ids: Tensor, source_lengths: Tensor, source_mask: Tensor, noise: Noise | None = None
    ) -> Memory:
        """Reads documents ``source_ids`` [B, S]."""
        encoded = self.encoder(self.embed(source_ids, noise), source_lengths, noise)
        return self.decoder.remember(encoded, source_ids, source_mask)

    def decode(self, memory: Memory, target_in: Tensor, noise: Noise | None = None) -> Decoded:
        """All decoder steps for ``target_in`` [N, T] under teacher forcing; N is B or a multiple of it."""
        decoded: Decoded = self.decoder(memory, self.embed(target_in, noise), noise)
        return decoded

    def step(self, memory: Memory, state: DecoderState, latest_ids: Tensor) -> tuple[Decoded, DecoderState]:
        """One decoder step for the ``latest_ids`` [B, K] of K beams per document."""
        return self.decoder.step(memory, state, self.embed(latest_ids))

    @torch.no_grad()
    def draw(self, memory: Memory, decoded: Decoded, uniforms: Tensor, is_wanted: Tensor) -> Tensor:
        """Ids [B, K] of next pieces drawn from the output distribution, by choosing first whether to copy.

        ``uniforms`` [B, K, 3], random numbers of [0, 1), decide. What is not wanted, by ``is_wanted`` [B, K], is 0.
        """
        to_gate, to_piece, to_position = uniforms.unbind(dim=-1)
        generates = is_wanted
        ids = torch.zeros_like(is_wanted, dtype=torch.long)
        if self.params.copy_source:
            generates = is_wanted & (to_gate < torch.sigmoid(decoded.gate_logit.float()))
            positions = _draw(decoded.attn_log_weights.float().exp(), to_position)
            ids = torch.where(is_wanted, memory.source_ids.gather(1, positions), 0)
        # Only rows that generate pay for the whole vocabulary, few at a time.
        points, features = to_piece[generates], decoded.features[generates]
        pieces = [
            _draw(torch.softmax(self.logits(features[rows]), dim=-1), points[rows]) for rows in _chunks(len(features))
        ]
        return ids.masked_scatter(generates, torch.cat([ids.new_empty(0), *pieces]))

    @torch.no_grad()
    def log_probs(self, memory: Memory, decoded: Decoded) -> Tensor:
        """Log probability [B, K, V] of every next piece: generated or copied, summed over its source positions.

        Without gradients: training has a loss of its own, which never forms the mixture.
        """
        features = decoded.features.float()
        log_probs = torch.log_softmax(self.logits(features.flatten(0, 1)), dim=-1).view(*features.shape[:2], -1)
        if self.params.copy_source:
            mix_with_copies(log_probs, memory.source_ids, decoded)
        return log_probs

    def logits(self, features: Tensor) -> Tensor:
        """Scores [*, V] of generating each piece, for rows of ``features`` [*, E]."""
        return torch.addmm(self.output_bias, features, self.embedding.weight.t()).float()


def mix_with_copies(log_probs: Tensor, source_ids: Tensor, decoded: Decoded) -> None:
    """Turns the generator's ``log_probs`` [B, K, V] in place into those of generating or copying.

    Only the pieces of the document need more than the gate's share, and a piece that stands there several times gets
    the sum of its positions: the scattered writes of the same piece are equal.
    """
    gate_logit = decoded.gate_logit.float().unsqueeze(-1)
    # softplus, not logsigmoid: exported, the latter becomes the logarithm of a sigmoid, which is rough near 0.
    copied = (decoded.attn_log_weights.float() - nn.functional.softplus(gate_logit)).exp_()
    log_probs.sub_(nn.functional.softplus(-gate_logit))
    index = source_ids.unsqueeze(1).expand_as(copied)
    log_probs.scatter_(-1, index, log_probs.gather(-1, index).exp_()).scatter_add_(-1, index, copied)
    mixed = log_probs.gather(-1, index).clamp_min_(torch.finfo(torch.float32).tiny).log_()
    log_probs.scatter_(-1, index, mixed)


def _draw(probs: Tensor, points: Tensor) -> Tensor:
    """Indices [*] drawn from distributions ``probs`` [*, V] by ``points`` [*] of [0, 1): inverted cumulative sums."""
    sums = probs.cumsum(dim=-1)
    found = torch.searchsorted(sums, points.unsqueeze(-1) * sums[..., -1:], right=True).squeeze(-1)
    return found.clamp_max(probs.shape[-1] - 1)


def _chunks(num_rows: int) -> Iterator[slice]:
    for start in range(0, num_rows, CHUNK_ROWS):
        yield slice(start, start + CHUNK_ROWS)
