"""The encoders: from embedded source pieces to one state per position.

Shapes: B batch, S source positions, E embedding size, H encoder size per direction, F size of a state (2H or H),
W = ceil(S / stride) windows.

Every encoder is called with ``embedded`` [B, S, E] and ``source_lengths`` [B], each at least 1, and has the size of its
states as ``output_size``. What stands in the padding changes no state before it; states at padding are meaningless,
and whoever reads them masks them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seq2sum.config import ModelParams
from seq2sum.model.dropout import Noise, apply_noise


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives: ``states`` [B, S, F] and ``final_hidden`` [B, F], a summary of the whole row."""

    states: Tensor
    final_hidden: Tensor


def build_encoder(params: ModelParams) -> "Encoder":
    """The encoder that ``params`` name, with PyTorch's own initial weights."""
    sizes = (params.embedding_size, params.encoder_size, params.encoder_layers)
    match params.encoder:
        case "bilstm":
            return BiLSTMEncoder(*sizes)
        case "lstm":
            return OneDirectionEncoder(nn.LSTM, *sizes)
        case "rnn":
            return OneDirectionEncoder(nn.RNN, *sizes)
        case "conv_bilstm":
            return ConvBiLSTMEncoder(*sizes, params.conv_width, params.conv_stride)
        case "feedforward":
            return FeedForwardEncoder(*sizes, params.conv_width)


class BiLSTMEncoder(nn.Module):
    """Bidirectional LSTM (Schuster & Paliwal 1997; Hochreiter & Schmidhuber 1997) over padded rows.

    Each layer is two one-direction LSTMs, the second over each row reversed within its own length. That gives exactly
    the states of a packed bidirectional LSTM, while the plain padded tensors keep PyTorch on its fused CPU kernels.
    ``final_hidden`` is each direction's last true state.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        sizes = [input_size] + [2 * hidden_size] * (num_layers - 1)
        self.ahead = nn.ModuleList(nn.LSTM(size, hidden_size) for size in sizes)
        self.back = nn.ModuleList(nn.LSTM(size, hidden_size) for size in sizes)
        self.output_size = 2 * hidden_size

    def forward(self, embedded: Tensor, source_lengths: Tensor, noise: Noise | None = None) -> Encoded:
        """Reads ``embedded`` [B, S, E] with ``source_lengths`` [B], each at least 1."""
        states = embedded.transpose(0, 1).contiguous()
        num_positions, num_rows, _ = states.shape
        rows = torch.arange(num_rows, device=states.device)
        positions = torch.arange(num_positions, device=states.device).unsqueeze(1)
        last = source_lengths - 1
        # Padding stays where it is, behind the reversed tokens. Flat indices [S * B] select rows cheaply.
        reversed_positions = torch.where(positions <= last, last - positions, positions)
        reversal = (reversed_positions * num_rows + rows).flatten()
        final_hidden = [states.new_empty(0)]
        for layer, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if layer > 0:
                states = apply_noise(noise, states, time_dim=0)
            ahead_states, _ = ahead(states)
            back_states, _ = back(_reorder(states, reversal))
            final_hidden = [ahead_states[last, rows], back_states[last, rows]]
            states = torch.cat([ahead_states, _reorder(back_states, reversal)], dim=-1)
        return Encoded(states.transpose(0, 1).contiguous(), torch.cat(final_hidden, dim=-1))


class OneDirectionEncoder(nn.Module):
    """LSTM, or the plain recurrent network with tanh (Elman 1990), that reads from the first piece to the last.

    Padding stands behind what is read, so nothing has to be done about it.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.RNN], input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(kind(size, hidden_size) for size in sizes)
        self.output_size = hidden_size

    def forward(self, embedded: Tensor, source_lengths: Tensor, noise: Noise | None = None) -> Encoded:
        """Reads ``embedded`` [B, S, E] with ``source_lengths`` [B], each at least 1."""
        states = embedded.transpose(0, 1).contiguous()
        for index, layer in enumerate(self.layers):
            states, _ = layer(states if index == 0 else apply_noise(noise, states, time_dim=0))
        final_hidden = states[source_lengths - 1, torch.arange(len(source_lengths), device=states.device)]
        return Encoded(states.transpose(0, 1).contiguous(), final_hidden)


class ConvBiLSTMEncoder(nn.Module):
    """A convolution in front of the BiLSTM, which then reads one window in every ``stride`` positions.

    Each position has the state of its window. So that attention and copying can tell the pieces of one window apart,
    a projection of the position's own embedding is added; it needs no recurrence.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, width: int, stride: int) -> None:
        super().__init__()
        self.windows = _Windows(input_size, input_size, width, stride)
        self.bilstm = BiLSTMEncoder(input_size, hidden_size, num_layers)
        self.to_position = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.output_size = self.bilstm.output_size

    def forward(self, embedded: Tensor, source_lengths: Tensor, noise: Noise | None = None) -> Encoded:
        """Reads ``embedded`` [B, S, E] with ``source_lengths`` [B], each at least 1."""
        stride = self.windows.stride
        windows = torch.relu(self.windows(embedded, _mask(embedded, source_lengths)))
        encoded: Encoded = self.bilstm(windows, (source_lengths + stride - 1) // stride, noise)
        of_windows = encoded.states.repeat_interleave(stride, dim=1)[:, : embedded.shape[1]]
        return Encoded(of_windows + self.to_position(embedded), encoded.final_hidden)


class FeedForwardEncoder(nn.Module):
    """No recurrence: each layer sees the ``width`` positions around its own and the mean of the document.

    ``final_hidden`` is the mean of the states.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, width: int) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.windows = nn.ModuleList(_Windows(size, hidden_size, width, stride=1) for size in sizes)
        self.of_document = nn.ModuleList(nn.Linear(size, hidden_size, bias=False) for size in sizes)
        self.output_size = hidden_size

    def forward(self, embedded: Tensor, source_lengths: Tensor, noise: Noise | None = None) -> Encoded:
        """Reads ``embedded`` [B, S, E] with ``source_lengths`` [B], each at least 1."""
        states, mask = embedded, _mask(embedded, source_lengths)
        for layer, (windows, of_document) in enumerate(zip(self.windows, self.of_document, strict=True)):
            if layer > 0:
                states = apply_noise(noise, states)
            states = torch.relu(windows(states, mask) + of_document(_mean(states, mask)).unsqueeze(1))
        return Encoded(states, _mean(states, mask))


Encoder = BiLSTMEncoder | OneDirectionEncoder | ConvBiLSTMEncoder | FeedForwardEncoder


class _Windows(nn.Module):
    """An affine map of every window of ``width`` positions, one window in every ``stride`` and centred on it.

    Beyond a row's own end all is zero, as it is beyond the batch's, so the padding leaks nowhere.
    """

    def __init__(self, input_size: int, output_size: int, width: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(input_size, output_size, width, stride)
        self.width, self.stride = width, stride

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Maps ``inputs`` [B, S, *] with the ``mask`` [B, S] of real tokens to [B, W, *]."""
        num_positions = inputs.shape[1]
        before = (self.width - self.stride) // 2
        num_windows = -(-num_positions // self.stride)
        after = (num_windows - 1) * self.stride + self.width - num_positions - before
        real = inputs.masked_fill(~mask.unsqueeze(2), 0.0).transpose(1, 2)
        windows: Tensor = self.convolution(nn.functional.pad(real, (before, after)))
        return windows.transpose(1, 2)


def _mask(embedded: Tensor, source_lengths: Tensor) -> Tensor:
    """Which positions [B, S] hold a real token."""
    return torch.arange(embedded.shape[1], device=embedded.device) < source_lengths.unsqueeze(1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean [B, *] of ``states`` [B, S, *] over the real positions."""
    return states.masked_fill(~mask.unsqueeze(2), 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    """Puts the rows of ``states`` [S, B, H] seen as [S * B, H] into ``order``."""
    return states.flatten(0, 1).index_select(0, order).view_as(states)
