"""What holds for every encoder, and what each of them computes."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2sum.config import num_directions
from seq2sum.model.dropout import Noise
from seq2sum.model.encoder import (
    BiLSTMEncoder,
    ConvBiLSTMEncoder,
    FeedForwardEncoder,
    OneDirectionEncoder,
    build_encoder,
)
from seq2sum.model.initialization import initialize
from tests.model.tiny import tiny_params

# Every encoder, with one and more layers, and windows that overlap, abut and are of even width.
ENCODERS = [
    {"encoder": "bilstm"},
    {"encoder": "bilstm", "encoder_layers": 2},
    {"encoder": "lstm"},
    {"encoder": "lstm", "encoder_layers": 2},
    {"encoder": "rnn"},
    {"encoder": "rnn", "encoder_layers": 2},
    {"encoder": "conv_bilstm"},
    {"encoder": "conv_bilstm", "conv_width": 4},
    {"encoder": "conv_bilstm", "conv_width": 5, "conv_stride": 2},
    {"encoder": "conv_bilstm", "conv_width": 3, "conv_stride": 3, "encoder_layers": 2},
    {"encoder": "feedforward"},
    {"encoder": "feedforward", "conv_width": 4, "encoder_layers": 2},
]


def made(changes):
    torch.manual_seed(0)
    return build_encoder(tiny_params(embedding_size=5, encoder_size=4, **changes))


def named(changes):
    return "-".join(map(str, changes.values()))


every_encoder = pytest.mark.parametrize("changes", ENCODERS, ids=named)


@every_encoder
def test_gives_a_state_of_the_promised_size_for_every_position(changes):
    encoder, params = made(changes), tiny_params(embedding_size=5, encoder_size=4, **changes)
    for num_positions in range(1, 9):
        encoded = encoder(torch.randn(3, num_positions, 5), torch.tensor([num_positions, 1, 1]))
        assert encoder.output_size == params.state_size == num_directions(params.encoder) * 4
        assert encoded.states.shape == (3, num_positions, params.state_size)
        assert encoded.final_hidden.shape == (3, params.state_size)


@every_encoder
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_padding_changes_no_state(changes, length):
    encoder = made(changes)
    short = torch.randn(1, length, 5)
    padded = torch.cat([short, torch.full((1, 6, 5), 1e30)], dim=1)
    beside = torch.cat([torch.randn(1, length + 6, 5), padded])
    alone = encoder(short, torch.tensor([length]))
    together = encoder(beside, torch.tensor([length + 6, length]))
    torch.testing.assert_close(together.states[1:, :length], alone.states)
    torch.testing.assert_close(together.final_hidden[1:], alone.final_hidden)


@every_encoder
def test_gradients_reach_the_real_tokens_and_never_the_padding(changes):
    encoder = made(changes)
    embedded = torch.randn(2, 6, 5, requires_grad=True)
    encoded = encoder(embedded, torch.tensor([6, 2]))
    real = torch.tensor([[1.0] * 6, [1.0] * 2 + [0.0] * 4]).unsqueeze(2)
    ((encoded.states * real).sum() + encoded.final_hidden.sum()).backward()
    assert (embedded.grad[1, 2:] == 0).all()
    assert (embedded.grad[0] != 0).all()
    assert (embedded.grad[1, :2] != 0).all()


class Recorded(Noise):
    """Dropout that keeps the masks that it drew, positions first."""

    def __init__(self) -> None:
        super().__init__(0.5, True, torch.Generator().manual_seed(1))
        self.masks = []

    def __call__(self, values, time_dim=1):
        self.masks.append(super().__call__(torch.ones_like(values), time_dim).movedim(time_dim, 0))
        return super().__call__(values, time_dim)


@every_encoder
def test_variational_dropout_between_layers_takes_the_same_features_of_all_positions_and_others_of_other_rows(changes):
    noise = Recorded()
    made(changes)(torch.randn(3, 6, 5), torch.tensor([6, 6, 6]), noise)
    assert len(noise.masks) == changes.get("encoder_layers", 1) - 1
    for mask in noise.masks:
        assert (mask == mask[:1]).all()
        assert not torch.equal(mask[:, 0], mask[:, 1])


def positions_that_reach(encoder, position, num_positions=9):
    """The positions whose embedding changes the state at ``position``."""
    embedded = torch.randn(1, num_positions, 5, requires_grad=True)
    encoder(embedded, torch.tensor([num_positions])).states[0, position].sum().backward()
    return embedded.grad[0].abs().sum(dim=1).nonzero().flatten().tolist()


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


@pytest.mark.parametrize("kind", [nn.LSTM, nn.RNN])
def test_one_direction_gives_the_states_of_its_torch_module_and_the_last_true_one(kind):
    torch.manual_seed(0)
    encoder = OneDirectionEncoder(kind, 5, 4, num_layers=1)
    embedded = torch.randn(2, 6, 5)
    encoded = encoder(embedded, torch.tensor([6, 3]))
    for row, length in ((0, 6), (1, 3)):
        expected, _ = encoder.layers[0](embedded[row, :length])
        torch.testing.assert_close(encoded.states[row, :length], expected)
        torch.testing.assert_close(encoded.final_hidden[row], expected[-1])


@pytest.mark.parametrize("encoder", ["lstm", "rnn"])
def test_one_direction_sees_what_came_before_and_no_more(encoder):
    assert positions_that_reach(made({"encoder": encoder}), 4) == [0, 1, 2, 3, 4]


def test_a_plain_recurrent_network_follows_elmans_equation():
    encoder = made({"encoder": "rnn"})
    (rnn,) = encoder.layers
    embedded, hidden = torch.randn(1, 3, 5), torch.zeros(1, 4)
    for position in range(3):
        from_input = embedded[:, position] @ rnn.weight_ih_l0.T + rnn.bias_ih_l0
        hidden = torch.tanh(from_input + hidden @ rnn.weight_hh_l0.T + rnn.bias_hh_l0)
    torch.testing.assert_close(encoder(embedded, torch.tensor([3])).final_hidden, hidden)


def test_a_stride_shortens_what_the_lstm_reads():
    encoder = ConvBiLSTMEncoder(5, 4, 1, width=5, stride=3)
    seen = []
    encoder.bilstm.register_forward_pre_hook(lambda _, args: seen.append((args[0].shape[1], args[1].tolist())))
    encoder(torch.randn(3, 10, 5), torch.tensor([10, 3, 4]))
    assert seen == [(4, [4, 1, 2])]


def test_pieces_of_one_window_keep_states_of_their_own():
    encoder = ConvBiLSTMEncoder(5, 4, 1, width=3, stride=3)
    states = encoder(torch.randn(1, 6, 5), torch.tensor([6])).states[0]
    distances = torch.cdist(states, states) + torch.eye(6)
    assert (distances > 1e-3).all()


@pytest.mark.parametrize(("width", "reach"), [(1, [4]), (3, [3, 4, 5]), (5, [2, 3, 4, 5, 6])])
def test_a_feedforward_state_sees_its_window_and_beyond_it_only_the_mean(width, reach):
    encoder = FeedForwardEncoder(5, 4, 1, width)
    embedded = torch.randn(1, 9, 5)
    swapped = embedded[:, [8, 1, 2, 3, 4, 5, 6, 7, 0]]
    lengths = torch.tensor([9])
    torch.testing.assert_close(encoder(swapped, lengths).states[:, 4], encoder(embedded, lengths).states[:, 4])
    encoder.of_document[0].weight.data.zero_()
    assert positions_that_reach(encoder, 4) == reach


def test_weights_start_as_the_kind_of_the_layer_asks():
    for changes in ({"encoder": "rnn"}, {"encoder": "lstm"}):
        encoder = made(changes)
        initialize(encoder)
        (layer,) = encoder.layers
        for gate in layer.weight_hh_l0.chunk(layer.weight_hh_l0.shape[0] // 4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(4))
        bias = layer.bias_ih_l0 + layer.bias_hh_l0
        forget_open = [0, 0, 0, 0, 1, 1, 1, 1] + [0] * 8 if changes["encoder"] == "lstm" else [0] * 4
        assert bias.tolist() == forget_open
