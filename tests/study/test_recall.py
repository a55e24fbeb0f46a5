import json

import pytest
import torch

from seq2sum.model.cells import lstm_weights, run_lstm
from study.forget_gate import SURE, forget_gate, run_forced
from study.recall import measure_recall, recall_network
from study.recall_task import accuracy, draw_recall, gradient_at_symbol, lags_at, train
from tests.model.tiny import tiny_params
from tests.study.params import recall_params

ENCODERS = ["rnn", "lstm", "bilstm", "conv_bilstm", "feedforward"]


def drawn(lag, num_rows=50, num_symbols=4):
    return draw_recall(lag, num_rows, num_symbols, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("lag", [1, 2, 10])
def test_the_question_stands_the_lag_behind_the_one_marked_symbol(lag):
    recall = drawn(lag)
    mark, question = 4, 5
    assert recall.ids.shape == (50, lag + 2)
    assert ((recall.ids == mark).nonzero()[:, 1] == 0).all()
    assert ((recall.ids == question).nonzero()[:, 1] == lag + 1).all()
    assert torch.equal(recall.ids[:, 1], recall.answers)
    assert (recall.ids[:, 1:-1] < 4).all()


def test_distractors_do_not_tell_the_answer():
    recall = drawn(lag=3, num_rows=20_000)
    for answer in range(4):
        counts = torch.bincount(recall.ids[recall.answers == answer, 2:-1].flatten(), minlength=4)
        torch.testing.assert_close(counts / counts.sum(), torch.full((4,), 0.25), atol=0.02, rtol=0)


def test_lags_come_in_one_after_the_other_and_stay():
    reached = [len(lags_at(step, [1, 2, 4, 8], 100)) for step in range(1, 101)]
    assert reached == sorted(reached)
    assert (reached[0], reached[30], reached[-1]) == (1, 1, 4)
    assert set(reached) == {1, 2, 3, 4}
    assert reached.count(4) >= 20


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders_have_states_of_one_size(encoder):
    network = recall_network(encoder, tiny_params(), recall_params())
    assert network.encoder.output_size == 16


def trained(encoder, **changes):
    params = recall_params(lags=[3, 4], num_steps=400, **changes)
    torch.manual_seed(1)
    network = recall_network(encoder, tiny_params(), params)
    updates = list(train(network, params, torch.Generator().manual_seed(1)))
    return network, updates


@pytest.fixture(scope="module")
def lstm():
    return trained("lstm")[0]


def test_an_lstm_learns_the_task(lstm):
    assert accuracy(lstm, drawn(3)) > 0.95


def test_the_gradient_is_that_of_the_right_logit_by_differences(lstm):
    recall = drawn(4, num_rows=1)
    exact = lstm.double()
    embedded = exact.embedding(recall.ids).detach()
    by_difference = []
    for feature in range(embedded.shape[2]):
        step = torch.zeros_like(embedded)
        step[0, 1, feature] = 1e-6
        rise = exact(embedded + step) - exact(embedded - step)
        by_difference.append(rise[0, recall.answers[0]].item() / 2e-6)
    lstm.float()
    assert gradient_at_symbol(lstm, recall) == pytest.approx(torch.tensor(by_difference).norm().item(), rel=1e-4)


def test_the_forget_gate_is_reported_as_it_is(lstm):
    recall = drawn(5)
    found = forget_gate(lstm, recall)
    assert sum(found["histogram"]) == recall.ids.numel() * 16
    assert (len(found["example"]), len(found["example"][0])) == (7, 16)
    assert all(0 < value < 1 for row in found["example"] for value in row)
    assert found["accuracy"]["as learnt"] == pytest.approx(accuracy(lstm, recall))
    low, high = found["candidate"]
    assert -1 <= low < high <= 1


@pytest.mark.parametrize(("logit", "kept"), [(SURE, 1.0), (-SURE, 0.0)])
def test_a_forced_gate_keeps_all_or_nothing_at_the_distractors_alone(lstm, logit, kept):
    weights = lstm_weights(lstm.encoder.layers[0])
    inputs = lstm.embedding(drawn(4).ids).transpose(0, 1)
    free, forced = run_lstm(weights, inputs), run_forced(weights, inputs, logit)
    torch.testing.assert_close(forced.hidden[:2], free.hidden[:2])
    added = forced.input * forced.candidate
    torch.testing.assert_close(forced.cell[2:-1], kept * forced.cell[1:-2] + added[2:-1])
    torch.testing.assert_close(forced.cell[-1], forced.forget[-1] * forced.cell[-2] + added[-1])
    assert ((forced.forget[-1] > 0) & (forced.forget[-1] < 1)).all()


def test_the_same_seed_measures_the_same_apart_from_time():
    first, again, other = (measure_recall("lstm", seed, tiny_params(), recall_params()) for seed in (1, 1, 2))
    for measured in (first, again, other):
        assert measured.pop("wall_seconds") > 0
        assert measured.pop("cpu_seconds") > 0
    assert json.dumps(first) == json.dumps(again)
    assert first["accuracy"] != other["accuracy"]
    assert first["num_tokens"] == sum(16 * (lag + 2) for lag in lags_of(1))


def lags_of(seed):
    """The lags that a training draws, by the same generator."""
    params, generator = recall_params(), torch.Generator().manual_seed(seed)
    for step in range(1, params.num_steps + 1):
        lags = lags_at(step, params.lags, params.num_steps)
        lag = lags[int(torch.randint(len(lags), (), generator=generator))]
        draw_recall(lag, params.batch_rows, params.num_symbols, generator)
        yield lag


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_is_measured_at_every_lag(encoder):
    measured = measure_recall(encoder, 1, tiny_params(), recall_params())
    assert list(measured["accuracy"]) == list(measured["gradient"]["before"]) == [3, 6]
    assert all(norm > 0 for when in measured["gradient"].values() for norm in when.values())
    assert len(measured["losses"]) == 3
    assert (measured["forget_gate"] is not None) == (encoder == "lstm")
