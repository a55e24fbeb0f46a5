import pytest
import torch
from torch import Tensor, nn

from seq2sum.model.cells import Activations, lstm_step, lstm_weights, run_lstm

SEQUENCE, ROWS, INPUTS, HIDDEN = 11, 3, 5, 7


def torch_lstm(dtype: torch.dtype = torch.float64, **options: object) -> nn.LSTM:
    torch.manual_seed(2)
    return nn.LSTM(INPUTS, HIDDEN, dtype=dtype, **options)


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_all_gradients_equal_those_of_torch(dtype, bias):
    lstm = torch_lstm(dtype, bias=bias)
    inputs = random(SEQUENCE, ROWS, INPUTS, dtype=dtype)
    hidden, cell = random(ROWS, HIDDEN, dtype=dtype), random(ROWS, HIDDEN, dtype=dtype)
    expected, (_, last_cell) = lstm(inputs, (hidden.unsqueeze(0), cell.unsqueeze(0)))

    found = run_lstm(lstm_weights(lstm), inputs, (hidden, cell))

    close = {"atol": 1e-6, "rtol": 1e-6 if dtype is torch.float64 else 1e-5}
    torch.testing.assert_close(found.hidden, expected, **close)
    torch.testing.assert_close(found.cell[-1], last_cell[0], **close)
    sources = [inputs, hidden, cell, *lstm.parameters()]
    weighting = torch.randn_like(expected) / SEQUENCE
    by_torch = torch.autograd.grad((expected * weighting).sum() + last_cell.sum(), sources)
    by_hand = torch.autograd.grad((found.hidden * weighting).sum() + found.cell[-1].sum(), sources)
    for one, other in zip(by_hand, by_torch, strict=True):
        torch.testing.assert_close(one, other, **close)


def test_every_layer_and_direction_of_a_torch_lstm_can_be_read():
    lstm = torch_lstm(num_layers=2, bidirectional=True)
    inputs = random(SEQUENCE, ROWS, INPUTS)
    expected, _ = lstm(inputs)
    states = inputs
    for layer in range(2):
        both = [
            run_lstm(lstm_weights(lstm, layer, reverse=reverse), states, reverse=reverse).hidden
            for reverse in (False, True)
        ]
        states = torch.cat(both, dim=-1)
    torch.testing.assert_close(states, expected, atol=1e-6, rtol=1e-6)


def with_forget_bias(lstm: nn.LSTM, value: float) -> nn.LSTM:
    lstm.weight_ih_l0.data[HIDDEN : 2 * HIDDEN] = 0.0
    lstm.weight_hh_l0.data[HIDDEN : 2 * HIDDEN] = 0.0
    lstm.bias_ih_l0.data[HIDDEN : 2 * HIDDEN] = value
    lstm.bias_hh_l0.data[HIDDEN : 2 * HIDDEN] = 0.0
    return lstm


@pytest.mark.parametrize(("bias", "kept"), [(1000.0, 1.0), (0.0, 0.5), (-1000.0, 0.0)])
def test_the_forget_gate_says_what_share_of_the_cell_stays(bias, kept):
    weights = lstm_weights(with_forget_bias(torch_lstm(), bias))
    cell = random(ROWS, HIDDEN)
    step = lstm_step(weights, random(ROWS, INPUTS), random(ROWS, HIDDEN), cell)
    torch.testing.assert_close(step.cell, kept * cell + step.input * step.candidate)


def test_activations_are_those_of_the_step_that_they_stand_at():
    weights, inputs = lstm_weights(torch_lstm()), random(SEQUENCE, ROWS, INPUTS)
    whole = run_lstm(weights, inputs)
    for gate in (whole.forget, whole.input, whole.output):
        assert gate.shape == (SEQUENCE, ROWS, HIDDEN)
        assert ((gate > 0) & (gate < 1)).all()
    assert (whole.candidate.abs() < 1).all()
    fourth: Activations = lstm_step(weights, inputs[4], whole.hidden[3], whole.cell[3])
    for name, values in vars(fourth).items():
        torch.testing.assert_close(getattr(whole, name)[4], values)


def test_an_lstm_with_a_projection_is_refused():
    with pytest.raises(ValueError, match="proj_size"):
        lstm_weights(torch_lstm(proj_size=2))
