"""The likelihood of a summary under a network that generates or copies, in log space.

Shapes: B documents, N target rows (B, or n for each document), T target positions, S source positions, R real target
tokens, E embedding size, V pieces.
"""

from typing import Any

import torch
from torch import Tensor, nn

from seq2sum.data.batch import Source, Targets
from seq2sum.model.decoder import Decoded
from seq2sum.model.summarizer import SummarizerModel

# Rows of logits alive at once, and logits, but for a vocabulary so large that the products would suffer from few rows:
# a block that stays near the cache and is reused for its gradient.
CHUNK_ROWS, CHUNK_LOGITS, FEWEST_ROWS = 256, 2**22, 128


def negative_log_likelihood(
    model: SummarizerModel,
    source: Source,
    targets: Targets,
    decoded: Decoded,
    label_smoothing: float = 0.0,
    row_weights: Tensor | None = None,
) -> Tensor:
    """Sum over the real target tokens of -log(gate · p_generate(gold) + (1 - gate) · p_copy(gold)).

    The copy probability is taken for the gold piece only; padding is never scored. With ``label_smoothing`` ε the
    generator's cross-entropy to the uniform distribution enters with weight ε (Szegedy et al. 2016). ``row_weights``
    [R] multiply the tokens' losses; they may be negative.
    """
    rows = targets.target_rows
    features = decoded.features.flatten(0, 1).index_select(0, rows)
    gold = targets.target_out.flatten().index_select(0, rows)
    if model.params.copy_source:
        gate_logit = decoded.gate_logit.flatten().index_select(0, rows)
        log_copy = gold_copy_log_prob(decoded.attn_log_weights, source.source_ids, targets.target_out)
        log_copy = log_copy.flatten().index_select(0, rows)
    else:
        gate_logit = torch.full_like(gold, torch.inf, dtype=features.dtype)
        log_copy = torch.full_like(gate_logit, -torch.inf)
    if row_weights is None:
        row_weights = torch.ones_like(gold, dtype=torch.float32)
    loss: Tensor = _MixtureLoss.apply(  # type: ignore[no-untyped-call]
        features, model.embedding.weight, model.output_bias, gold, gate_logit, log_copy, row_weights, label_smoothing
    )
    return loss


def gold_copy_log_prob(copy_log_weights: Tensor, source_ids: Tensor, target_out: Tensor) -> Tensor:
    """Log probability [N, T] that copying yields the gold piece ``target_out`` [N, T].

    The log-sum-exp of ``copy_log_weights`` [N, T, S] over the positions of ``source_ids`` [B, S] that hold the gold
    piece; where there is none, a finite, hopeless value (so that no gradient becomes NaN) that counts as probability 0.
    """
    by_document = target_out.reshape(len(source_ids), -1)
    holds_gold = (by_document.unsqueeze(2) == source_ids.unsqueeze(1)).view_as(copy_log_weights)
    floor = torch.finfo(copy_log_weights.dtype).min / 4
    return torch.logsumexp(copy_log_weights.masked_fill(~holds_gold, floor), dim=-1)


class _MixtureLoss(torch.autograd.Function):
    """Output projection, softmax, mixture with copying and all their gradients in one pass over row chunks.

    With z the gate's logit, l the generator's log probability of gold and c the copier's, the loss of a row is
    -logaddexp(logsigmoid(z) + l, logsigmoid(-z) + c). Let r = sigmoid(z + l - c) be the share of the likelihood that
    the generator explains. Then dL/dlogits = r · (softmax - onehot), dL/dz = sigmoid(z) - r, dL/dc = -(1 - r).
    The products run in the type of ``features``, everything else in single precision. One backward pass uses the
    gradients up.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        gold: Tensor,
        gate_logit: Tensor,
        log_copy: Tensor,
        row_weights: Tensor,
        smoothing: float,
    ) -> Tensor:
        wants_grad = any(ctx.needs_input_grad)
        generated = torch.empty_like(gate_logit, dtype=torch.float32)
        uniform = torch.zeros((), dtype=torch.float32, device=features.device)
        grads = [torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(bias)] if wants_grad else []
        gate, copied = gate_logit.float(), log_copy.float()
        to_logits, offset = weight.to(features.dtype), bias.to(features.dtype)
        chunk_rows = min(CHUNK_ROWS, max(FEWEST_ROWS, CHUNK_LOGITS // len(bias)))
        logit_block, prob_block = features.new_empty(chunk_rows, len(bias)), gate.new_empty(chunk_rows, len(bias))
        for start in range(0, len(gold), chunk_rows):
            rows = slice(start, start + chunk_rows)
            num_rows = len(gold[rows])
            logits = torch.addmm(offset, features[rows], to_logits.t(), out=logit_block[:num_rows])
            probs = torch.softmax(logits, dim=1, dtype=torch.float32, out=prob_block[:num_rows])
            # One fused pass gives the gradient's base; the largest probability is never too small for a logarithm.
            log_norm = logits.amax(dim=1).float() - probs.amax(dim=1).log()
            gold_column = gold[rows].unsqueeze(1)
            generated[rows] = logits.gather(1, gold_column).squeeze(1).float() - log_norm
            if smoothing:
                uniform += (row_weights[rows] * (log_norm - logits.mean(dim=1, dtype=torch.float32))).sum()
            if wants_grad:
                share = torch.sigmoid(gate[rows] + generated[rows] - copied[rows])
                delta = _logit_gradient(probs, gold_column, share, row_weights[rows], smoothing)
                _add_chunk_gradients(grads, rows, delta, features, to_logits)
        mixed = torch.logaddexp(nn.functional.logsigmoid(gate) + generated, nn.functional.logsigmoid(-gate) + copied)
        if wants_grad:
            explained = torch.sigmoid(gate + generated - copied)
            keep = (1.0 - smoothing) * row_weights
            to_gate, to_copy = keep * (torch.sigmoid(gate) - explained), keep * (explained - 1.0)
            ctx.save_for_backward(*grads, to_gate.to(gate_logit.dtype), to_copy.to(log_copy.dtype))
        return (1.0 - smoothing) * -(row_weights * mixed).sum() + smoothing * uniform

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, gate, copied = (grad.mul_(upstream[0]) for grad in ctx.saved_tensors)
        return features, weight, bias, None, gate, copied, None, None


def _logit_gradient(probs: Tensor, gold_column: Tensor, share: Tensor, row_weights: Tensor, smoothing: float) -> Tensor:
    """Turns a chunk's ``probs``, its softmax, in place into the logits' gradient of the rows' weighted losses."""
    to_gold = ((1.0 - smoothing) * share * row_weights).unsqueeze(1)
    to_uniform = smoothing * row_weights.unsqueeze(1)
    delta = probs.mul_(to_gold + to_uniform)
    if smoothing:
        delta.sub_(to_uniform / probs.shape[1])
    return delta.scatter_add_(1, gold_column, -to_gold)


def _add_chunk_gradients(grads: list[Tensor], rows: slice, delta: Tensor, features: Tensor, to_logits: Tensor) -> None:
    """Adds to the gradients of features, weight and bias what the logits' gradient ``delta`` of a chunk gives."""
    to_features, to_weight, to_bias = grads
    to_bias.add_(delta.sum(dim=0))
    delta = delta.to(features.dtype)
    torch.mm(delta, to_logits, out=to_features[rows])
    if to_weight.dtype == delta.dtype:
        to_weight.addmm_(delta.t(), features[rows])
    else:
        to_weight.add_(delta.t() @ features[rows])
