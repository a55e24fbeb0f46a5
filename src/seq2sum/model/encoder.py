"""The encoder: from embedded source pieces to one state per position.

Shapes: B batch, S source positions, E embedding size, H encoder size per direction.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seq2sum.model.dropout import Noise, apply_noise


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives: ``states`` [B, S, 2H] and ``final_hidden`` [B, 2H], each direction's last true state."""

    states: Tensor
    final_hidden: Tensor


class BiLSTMEncoder(nn.Module):
    """Bidirectional LSTM (Schuster & Paliwal 1997; Hochreiter & Schmidhuber 1997) over padded rows.

    Each layer is two one-direction LSTMs, the second over each row reversed within its own length. That gives exactly
    the states of a packed bidirectional LSTM, while the plain padded tensors keep PyTorch on its fused CPU kernels.
    States at padding are meaningless; whoever reads them masks them.
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


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    """Puts the rows of ``states`` [S, B, H] seen as [S * B, H] into ``order``."""
    return states.flatten(0, 1).index_select(0, order).view_as(states)
