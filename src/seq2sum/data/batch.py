"""The one place that turns piece ids into tensors: padding, masks and the target shift.

Shapes: B batch, S source positions, T target positions (the summary's pieces and the end).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seq2sum.data.tokenizer import BOS, EOS, PAD


@dataclass(frozen=True)
class Share:
    """The rows of a batch of ``num_rows`` that a process takes: ``rank``, ``rank + num_ranks`` and so on.

    Where there are more processes than rows, those without one read the first row too, with a ``weight`` of 0.
    """

    num_rows: int
    rank: int = 0
    num_ranks: int = 1

    @property
    def weight(self) -> float:
        """What this process' share of the batch counts: 0 if it has no row of its own, else 1."""
        return float(self.rank < self.num_rows)

    def take(self, values: Tensor, dim: int = 0) -> Tensor:
        """The rows of the share, of ``values`` with the batch's rows along ``dim``, or n values for each row."""
        if self.num_ranks == 1:
            return values
        of_row = torch.arange(values.shape[dim], device=values.device).view(self.num_rows, -1)
        mine = of_row[self.rank :: self.num_ranks] if self.weight else of_row[:1]
        return values.index_select(dim, mine.flatten())

    def whole(self, num_mine: int) -> int:
        """How many values the whole batch has along a dimension where the share has ``num_mine``."""
        num_own_rows = len(range(self.rank, self.num_rows, self.num_ranks)) or 1
        return num_mine // num_own_rows * self.num_rows


EVERYTHING = Share(num_rows=1)


@dataclass(frozen=True)
class Source:
    """A batch of documents."""

    source_ids: Tensor  # [B, S]
    source_lengths: Tensor  # [B]
    source_mask: Tensor  # [B, S], True = real token

    def to(self, device: torch.device) -> "Source":
        """The same on ``device``."""
        return Source(*(_moved(value, device) for value in vars(self).values()))

    def part(self, share: Share) -> "Source":
        """The rows of ``share``, padded as they are."""
        return Source(*map(share.take, vars(self).values()))


@dataclass(frozen=True)
class Targets:
    """Summaries for teacher forcing, N rows: ``target_out`` is ``target_in`` one step ahead.

    N is B, or a multiple of it where every document has several: then those of a document follow each other. Where
    this is a part of a batch, ``num_target_tokens`` is still the batch's, by which losses are divided.
    """

    target_in: Tensor  # [N, T], begins with BOS
    target_out: Tensor  # [N, T], ends with EOS
    target_rows: Tensor  # [R]: flat positions n * T + t of the real target tokens
    num_target_tokens: int

    def to(self, device: torch.device) -> "Targets":
        """The same on ``device``."""
        target_in, target_out, target_rows = (
            _moved(value, device) for value in (self.target_in, self.target_out, self.target_rows)
        )
        return Targets(target_in, target_out, target_rows, self.num_target_tokens)

    def part(self, share: Share) -> "Targets":
        """The rows of ``share``, padded as they are."""
        is_real = torch.zeros(self.target_out.numel(), dtype=torch.bool)
        is_real[self.target_rows] = True
        target_rows = share.take(is_real.view_as(self.target_out)).flatten().nonzero().squeeze(1)
        return replace(
            self, target_in=share.take(self.target_in), target_out=share.take(self.target_out), target_rows=target_rows
        )


@dataclass(frozen=True)
class Batch:
    """A batch of pairs."""

    source: Source
    targets: Targets
    num_source_tokens: int

    def to(self, device: torch.device) -> "Batch":
        """The same on ``device``."""
        return Batch(self.source.to(device), self.targets.to(device), self.num_source_tokens)

    def part(self, share: Share) -> "Batch":
        """The rows of ``share``; the counts stay the batch's."""
        if share.num_ranks == 1:
            return self
        return replace(self, source=self.source.part(share), targets=self.targets.part(share))


def make_source(documents: Sequence[np.ndarray]) -> Source:
    """Pads the piece ids of ``documents``; an empty document is read as a lone end mark."""
    rows = [row if len(row) else np.array([EOS]) for row in documents]
    lengths = torch.tensor([len(row) for row in rows])
    ids = _pad(rows)
    return Source(ids, lengths, torch.arange(ids.shape[1]) < lengths.unsqueeze(1))


def make_targets(summaries: Sequence[np.ndarray]) -> Targets:
    """Pads the piece ids of ``summaries`` between begin and end marks."""
    target_in = _pad([np.concatenate(([BOS], row)) for row in summaries])
    target_out = _pad([np.concatenate((row, [EOS])) for row in summaries])
    lengths = torch.tensor([len(row) + 1 for row in summaries])
    is_real = torch.arange(target_out.shape[1]) < lengths.unsqueeze(1)
    return Targets(target_in, target_out, is_real.flatten().nonzero().squeeze(1), int(lengths.sum()))


def make_batch(documents: Sequence[np.ndarray], summaries: Sequence[np.ndarray]) -> Batch:
    """Pads pairs of piece ids and shifts the targets."""
    source = make_source(documents)
    return Batch(source, make_targets(summaries), int(source.source_lengths.sum()))


def _moved(values: Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``. From pinned memory a GPU copies while the CPU goes on."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def _pad(rows: Sequence[np.ndarray]) -> Tensor:
    padded = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for padded_row, row in zip(padded, rows, strict=True):
        padded_row[: len(row)] = row
    return torch.from_numpy(padded)
