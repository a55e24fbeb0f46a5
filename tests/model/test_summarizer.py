import numpy as np
import torch

from seq2sum.data.batch import make_targets
from tests.model.tiny import VOCAB_SIZE, batch_of, encode, every_network, tiny_model


def test_attention_sums_to_one_and_is_zero_on_padding():
    model = tiny_model()
    batch = batch_of(([5, 6, 7, 8], [5]), ([9, 5], [7, 7, 8]))
    decoded = model.decode(encode(model, batch), batch.targets.target_in)
    weights = decoded.attn_log_weights.exp()
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 4))
    assert (weights[1, :, 2:] == 0).all()


@every_network
def test_stepwise_decoding_equals_teacher_forcing(network):
    model = tiny_model(**network)
    batch = batch_of(([5, 6, 7, 8, 6], [5, 9, 6, 6]), ([9, 5], [7, 7, 8, 4]))
    memory = encode(model, batch)
    at_once = model.log_probs(memory, model.decode(memory, batch.targets.target_in))

    state = model.decoder.initial_state(memory)
    for position in range(batch.targets.target_in.shape[1]):
        decoded, state = model.step(memory, state, batch.targets.target_in[:, position : position + 1])
        torch.testing.assert_close(model.log_probs(memory, decoded)[:, 0], at_once[:, position], atol=1e-5, rtol=1e-5)


@every_network
def test_a_document_is_decoded_as_if_it_were_alone(network):
    model = tiny_model(**network)
    alone = batch_of(([9, 5], [7, 7, 8]))
    beside = batch_of(([5, 6, 7, 8, 6], [5, 9, 6]), ([9, 5], [7, 7, 8]))
    expected, found = (
        model.log_probs(m := encode(model, b), model.decode(m, b.targets.target_in)) for b in (alone, beside)
    )
    torch.testing.assert_close(found[1:], expected, atol=1e-5, rtol=1e-5)


def test_beams_are_decoded_as_if_each_were_alone():
    model = tiny_model()
    batch = batch_of(([5, 6, 7], [5]), ([9, 5, 8], [7]))
    memory = encode(model, batch)
    start = model.decoder.initial_state(memory)
    twice = start.select(torch.tensor([[0, 0], [0, 0]]))
    together, state = model.step(memory, twice, torch.tensor([[5, 6], [7, 8]]))
    for beam, ids in enumerate(([[5], [7]], [[6], [8]])):
        alone, alone_state = model.step(memory, start, torch.tensor(ids))
        torch.testing.assert_close(model.log_probs(memory, together)[:, beam], model.log_probs(memory, alone)[:, 0])
        torch.testing.assert_close(state.top_cell[:, beam], alone_state.top_cell[:, 0])


def test_a_step_in_bfloat16_as_the_reward_phase_takes_it_is_about_that_in_float32():
    model = tiny_model()
    memory = encode(model, batch_of(([5, 6, 7], [5]), ([9, 5, 8], [7])))
    start = model.decoder.initial_state(memory)
    expected, _ = model.step(memory, start, torch.tensor([[5], [7]]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found, state = model.step(memory, start, torch.tensor([[5], [7]]))
        model.step(memory, state, torch.tensor([[6], [8]]))
    torch.testing.assert_close(found.features.float(), expected.features, atol=0.1, rtol=0.05)


def test_next_piece_probabilities_sum_to_one_with_and_without_copying():
    batch = batch_of(([5, 6, 5, 8], [5]), ([9], [7, 7, 8]))
    for copy_source in (True, False):
        model = tiny_model(copy_source=copy_source)
        memory = encode(model, batch)
        log_probs = model.log_probs(memory, model.decode(memory, batch.targets.target_in))
        assert log_probs.shape == (2, 4, VOCAB_SIZE)
        torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(2, 4))


def test_a_closed_gate_leaves_only_pieces_of_the_document():
    model = tiny_model()
    model.decoder.gate.bias.data.fill_(-200.0)
    batch = batch_of(([5, 6, 5, 8], [5]))
    memory = encode(model, batch)
    probs = model.log_probs(memory, model.decode(memory, batch.targets.target_in))[0, 0].exp()
    torch.testing.assert_close(probs[[5, 6, 8]].sum(), torch.tensor(1.0))
    assert probs.sum() - probs[[5, 6, 8]].sum() < 1e-6


def test_several_targets_of_a_document_are_decoded_as_if_each_were_alone():
    model = tiny_model()
    documents = [[5, 6, 7, 8, 6], [9, 5]]
    summaries = [[[5, 9, 6, 6], [7]], [[7, 7, 8, 4], [4, 5]]]
    batch = batch_of(*((document, rows[0]) for document, rows in zip(documents, summaries, strict=True)))
    memory = encode(model, batch)
    targets = make_targets([np.array(row) for rows in summaries for row in rows])
    together = model.decode(memory, targets.target_in)
    for row in range(4):
        alone = memory.keep(torch.tensor([row // 2]))
        decoded = model.decode(alone, targets.target_in[row : row + 1])
        for name in ("features", "gate_logit", "attn_log_weights"):
            torch.testing.assert_close(getattr(together, name)[row], getattr(decoded, name)[0])


def test_pieces_are_drawn_as_often_as_they_are_probable():
    model = tiny_model()
    memory = encode(model, batch_of(([5, 6, 5, 8], [5])))
    num_draws = 40_000
    state = model.decoder.initial_state(memory).select(torch.zeros(1, num_draws, dtype=torch.long))
    decoded, _ = model.step(memory, state, torch.ones(1, num_draws, dtype=torch.long))
    uniforms = torch.rand(1, num_draws, 3, generator=torch.Generator().manual_seed(1))
    drawn = model.draw(memory, decoded, uniforms, torch.ones(1, num_draws, dtype=torch.bool))
    shares = torch.bincount(drawn[0], minlength=VOCAB_SIZE) / num_draws
    probs = model.log_probs(memory, decoded)[0, 0].exp()
    assert (shares - probs).abs().max() < 4 * (0.25 / num_draws) ** 0.5
