import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.training.coverage import coverage_loss
from seq2sum.training.loss import _MixtureLoss, gold_copy_log_prob, negative_log_likelihood
from seq2sum.training.phase import autocast
from tests.model.tiny import VOCAB_SIZE, batch_of, encode, every_network, tiny_model

BATCH = batch_of(([5, 6, 7, 8, 6], [5, 9, 6, 6]), ([9, 5], [7]), ([4, 4, 11], [12, 4, 4]))


def written_out(model, batch, label_smoothing=0.0):
    """The loss as the formula reads: a loop over the target tokens and a full softmax for each."""
    memory = encode(model, batch)
    decoded = model.decode(memory, batch.targets.target_in)
    generated = torch.log_softmax(decoded.features @ model.embedding.weight.T + model.output_bias, dim=-1)
    uniform, mixed = generated.mean(dim=-1), generated
    if model.params.copy_source:
        gate = torch.sigmoid(decoded.gate_logit).unsqueeze(2)
        positions = batch.source.source_ids.unsqueeze(1).expand_as(decoded.attn_log_weights)
        copied = torch.zeros_like(generated).scatter_add(2, positions, decoded.attn_log_weights.exp())
        mixed = (gate * generated.exp() + (1 - gate) * copied).log()
    total = torch.zeros(())
    for flat in batch.targets.target_rows.tolist():
        row, position = divmod(flat, batch.targets.target_out.shape[1])
        gold = batch.targets.target_out[row, position]
        total = total - (1 - label_smoothing) * mixed[row, position, gold] - label_smoothing * uniform[row, position]
    return total


def gradients(model, loss):
    grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(grads, model.parameters(), strict=True)]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("copy_source", [True, False])
def test_value_and_gradients_equal_the_formula_written_out(copy_source, label_smoothing):
    model = tiny_model(copy_source=copy_source).double()
    fused = negative_log_likelihood(
        model, BATCH.source, BATCH.targets, model.decode(encode(model, BATCH), BATCH.targets.target_in), label_smoothing
    )
    plain = written_out(model, BATCH, label_smoothing)
    # Logits are scored in single precision, whatever the weights' own.
    torch.testing.assert_close(fused.double(), plain.double(), rtol=1e-5, atol=1e-5)
    for ours, reference in zip(gradients(model, fused), gradients(model, plain), strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-5)


def test_row_weights_multiply_the_loss_of_each_token():
    model = tiny_model()
    weights = torch.linspace(-1.0, 2.0, len(BATCH.targets.target_rows))

    def loss(row_weights, label_smoothing):
        decoded = model.decode(encode(model, BATCH), BATCH.targets.target_in)
        return negative_log_likelihood(model, BATCH.source, BATCH.targets, decoded, label_smoothing, row_weights)

    for label_smoothing in (0.0, 0.1):
        rows = torch.eye(len(weights)).unbind()
        weighted = sum(weight * loss(row, label_smoothing) for weight, row in zip(weights, rows, strict=True))
        together = loss(weights, label_smoothing)
        torch.testing.assert_close(together, weighted)
        for ours, reference in zip(gradients(model, together), gradients(model, weighted), strict=True):
            torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-5)


@every_network
def test_single_and_half_precision_agree(network):
    model = tiny_model(**network)

    def loss_and_gradients(dtype):
        with autocast(torch.device("cpu"), dtype):
            decoded = model.decode(encode(model, BATCH), BATCH.targets.target_in)
            loss = negative_log_likelihood(model, BATCH.source, BATCH.targets, decoded)
        return [loss.detach(), *gradients(model, loss)]

    for single, half in zip(*map(loss_and_gradients, (torch.float32, torch.bfloat16)), strict=True):
        assert (single - half).norm() <= 0.05 * single.norm() + 1e-2


def test_coverage_loss_equals_the_loop_over_steps():
    attention = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1))
    attention /= attention.sum(dim=2, keepdim=True)
    rows = torch.tensor([0, 1, 2, 4, 5, 6, 7])
    expected = 0.0
    for row, step in (divmod(int(flat), 4) for flat in rows):
        coverage = attention[row, :step].sum(dim=0)
        expected += torch.minimum(attention[row, step], coverage).sum().item()
    assert coverage_loss(attention.log(), rows).item() == pytest.approx(expected, rel=1e-5)


def test_coverage_loss_is_finite_with_padding_and_bf16():
    weights = torch.tensor([[[0.0, -1.0, -1e38], [-1e38, 0.0, -1e38]]], dtype=torch.bfloat16, requires_grad=True)
    loss = coverage_loss(weights, torch.tensor([0, 1]))
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, weights)[0]).all()


@pytest.mark.parametrize("settings", [{"CHUNK_ROWS": 3}, {"CHUNK_LOGITS": 1, "FEWEST_ROWS": 2}])
def test_many_chunks_give_what_one_would(monkeypatch, settings):
    model = tiny_model()

    def loss_and_gradients():
        loss = negative_log_likelihood(
            model, BATCH.source, BATCH.targets, model.decode(encode(model, BATCH), BATCH.targets.target_in)
        )
        return [loss.detach(), *gradients(model, loss)]

    whole = loss_and_gradients()
    for name, value in settings.items():
        monkeypatch.setattr(f"seq2sum.training.loss.{name}", value)
    for ours, expected in zip(loss_and_gradients(), whole, strict=True):
        torch.testing.assert_close(ours, expected)


def test_padding_is_never_scored():
    model = tiny_model()
    pairs = [([5, 6, 7, 8, 6], [5, 9, 6, 6]), ([9, 5], [7])]

    def loss_of(*chosen):
        batch = batch_of(*chosen)
        return negative_log_likelihood(
            model, batch.source, batch.targets, model.decode(encode(model, batch), batch.targets.target_in)
        ).item()

    assert loss_of(*pairs) == pytest.approx(sum(loss_of(pair) for pair in pairs), rel=1e-5)


def test_the_copy_probability_sums_over_all_places_of_the_gold_piece():
    weights = torch.tensor([[[0.5, 0.2, 0.3]]])
    log_prob = gold_copy_log_prob(weights.log(), torch.tensor([[7, 8, 7]]), torch.tensor([[7]]))
    assert log_prob.item() == pytest.approx(math.log(0.8), rel=1e-6)


def test_a_gold_piece_that_is_not_in_the_document_has_copy_probability_zero():
    log_prob = gold_copy_log_prob(torch.zeros(1, 1, 3), torch.tensor([[7, 8, 7]]), torch.tensor([[9]]))
    assert log_prob.exp().item() == 0.0
    assert torch.isfinite(log_prob).all()


extreme = st.sampled_from([-1e4, -200.0, -30.0, 0.0, 30.0, 200.0, 1e4])


@settings(max_examples=150, deadline=None)
@given(
    gate=extreme,
    scale=st.sampled_from([0.0, 1e-3, 1.0, 50.0]),
    copied=st.sampled_from([0.0, -1e-6, -5.0, -1e3, -8e37]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    smoothing=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 1000),
)
def test_loss_and_gradients_are_finite_for_any_gate_and_copy_probability(gate, scale, copied, dtype, smoothing, seed):
    generator = torch.Generator().manual_seed(seed)
    features = (scale * torch.randn(4, 8, generator=generator)).to(dtype).requires_grad_()
    weight = (scale * torch.randn(VOCAB_SIZE, 8, generator=generator)).to(dtype).requires_grad_()
    bias = torch.zeros(VOCAB_SIZE, dtype=dtype, requires_grad=True)
    gold = torch.randint(VOCAB_SIZE, (4,), generator=generator)
    gate_logit = torch.full((4,), gate, dtype=dtype, requires_grad=True)
    log_copy = torch.full((4,), copied, dtype=dtype, requires_grad=True)
    operands = (features, weight, bias, gate_logit, log_copy)
    weights = torch.tensor([1.0, 0.5, 0.0, -0.5])
    loss = _MixtureLoss.apply(features, weight, bias, gold, gate_logit, log_copy, weights, smoothing)
    assert torch.isfinite(loss)
    for grad in torch.autograd.grad(loss, operands):
        assert torch.isfinite(grad).all()


@settings(max_examples=50, deadline=None)
@given(
    source=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=0, max_size=6),
    target=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=0, max_size=5),
    gate=extreme,
)
def test_any_pair_gives_a_finite_loss_and_finite_gradients(source, target, gate):
    model = tiny_model()
    model.decoder.gate.bias.data.fill_(gate)
    batch = batch_of((source, target), ([5, 6, 7], [8, 9]))
    loss = negative_log_likelihood(
        model, batch.source, batch.targets, model.decode(encode(model, batch), batch.targets.target_in)
    )
    assert torch.isfinite(loss)
    for grad in gradients(model, loss):
        assert torch.isfinite(grad).all()
