import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2sum.model.encoder import BiLSTMEncoder


def reference_with_weights_of(encoder: BiLSTMEncoder, input_size: int, hidden_size: int, num_layers: int) -> nn.LSTM:
    reference = nn.LSTM(input_size, hidden_size, num_layers, bidirectional=True, batch_first=True)
    for layer in range(num_layers):
        for suffix, lstm in (("", encoder.ahead[layer]), ("_reverse", encoder.back[layer])):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(reference, f"{kind}_l{layer}{suffix}").data.copy_(getattr(lstm, f"{kind}_l0"))
    return reference


@pytest.mark.parametrize("num_layers", [1, 2])
def test_states_equal_those_of_a_packed_bidirectional_lstm(num_layers):
    torch.manual_seed(0)
    encoder = BiLSTMEncoder(5, 4, num_layers)
    reference = reference_with_weights_of(encoder, 5, 4, num_layers)
    lengths = torch.tensor([7, 1, 4])
    embedded = torch.randn(3, 7, 5)
    packed, (hidden, _) = reference(pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False))
    expected, _ = pad_packed_sequence(packed, batch_first=True)

    encoded = encoder(embedded, lengths)

    for row, length in enumerate(lengths):
        torch.testing.assert_close(encoded.states[row, :length], expected[row, :length], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(encoded.final_hidden, torch.cat([hidden[-2], hidden[-1]], dim=1), atol=1e-6, rtol=1e-5)


def test_padding_changes_no_state():
    torch.manual_seed(0)
    encoder = BiLSTMEncoder(5, 4, 2)
    short = torch.randn(1, 3, 5)
    padded = torch.cat([short, 100 * torch.randn(1, 6, 5)], dim=1)
    alone, beside = encoder(short, torch.tensor([3])), encoder(padded, torch.tensor([3]))
    torch.testing.assert_close(beside.states[:, :3], alone.states)
    torch.testing.assert_close(beside.final_hidden, alone.final_hidden)


def test_gradients_reach_the_real_tokens_and_never_the_padding():
    encoder = BiLSTMEncoder(5, 4, 2)
    embedded = torch.randn(2, 6, 5, requires_grad=True)
    encoded = encoder(embedded, torch.tensor([6, 2]))
    real = torch.tensor([[1.0] * 6, [1.0] * 2 + [0.0] * 4]).unsqueeze(2)
    ((encoded.states * real).sum() + encoded.final_hidden.sum()).backward()
    assert (embedded.grad[1, 2:] == 0).all()
    assert (embedded.grad[0] != 0).all()
    assert (embedded.grad[1, :2] != 0).all()
