"""Several processes that train as one, on one machine or many, as torchrun starts them.

Every process plans the same batches, takes its share of the rows of each, and adds its gradients to the others': so all
make the same step, and the number of processes changes nothing but the order of sums.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from seq2sum.data.batch import Share
from seq2sum.errors import UserError
from seq2sum.training.checkpoint import Checkpoint

# What a process may take between two meetings: a checkpoint, or a batch where the machines are of unequal speed.
TIMEOUT = timedelta(minutes=5)
# With 1, torchrun gives every start of the processes a store of its own. Else they find their lost predecessors'
# addresses in it, and the one that is up first waits in vain for the dead.
OWN_STORE_VARIABLE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"


class Ranks:
    """The processes of a training, and which of them this one is. Their methods are meetings: each process calls them
    at the same point, and all get the same answer.

    A meeting raises UserError if another process is gone.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank = rank
        self.size = size
        self._device = device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def share(self, num_rows: int) -> Share:
        """This process' share of a batch of ``num_rows``."""
        return Share(num_rows, self.rank, self.size)

    def mine(self, indices: np.ndarray) -> np.ndarray:
        """This process' part of the rows ``indices``, or none where there are fewer of them than processes."""
        return indices[self.rank :: self.size]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Puts into each of the ``tensors``, of one type, its sum over the processes, all in one message."""
        if self.size > 1:
            message = torch.cat([tensor.flatten() for tensor in tensors])
            with _meeting():
                dist.all_reduce(message)
            start = 0
            for tensor in tensors:
                tensor.copy_(message[start : start + tensor.numel()].view_as(tensor))
                start += tensor.numel()

    def total(self, value: float) -> float:
        """The sum of the processes' values."""
        return self._reduce(value, dist.ReduceOp.SUM)

    def largest(self, value: float) -> float:
        """The largest of the processes' values."""
        return self._reduce(value, dist.ReduceOp.MAX)

    def _reduce(self, value: float, operation: dist.ReduceOp.RedOpType) -> float:
        if self.size == 1:
            return value
        message = torch.tensor(value, dtype=torch.float64, device=self._device)
        with _meeting():
            dist.all_reduce(message, operation)
        return message.item()

    def from_first(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """The first process' checkpoint, for all: the others need not see its files."""
        if self.size == 1:
            return checkpoint
        shapes = {name: (value.shape, value.dtype) for name, value in checkpoint.tensors.items()} if checkpoint else {}
        outline = [None if checkpoint is None else (checkpoint.facts, shapes)]
        with _meeting():
            dist.broadcast_object_list(outline, device=self._device)
            if outline[0] is None:
                return None
            facts, shapes = outline[0]
            tensors = {}
            for name, (shape, dtype) in shapes.items():
                empty = torch.empty(shape, dtype=dtype, device=self._device)
                tensors[name] = checkpoint.tensors[name] if checkpoint else empty
                dist.broadcast(tensors[name], 0)
        return Checkpoint(tensors, facts)


ALONE = Ranks()


@contextlib.contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Within the block, the processes that torchrun started this one among; without torchrun this one alone.

    Raises UserError if torchrun may start them again but has one store for all starts.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE
        return
    restarts, shares_store = os.environ["TORCHELASTIC_MAX_RESTARTS"], os.environ["TORCHELASTIC_USE_AGENT_STORE"]
    if restarts != "0" and shares_store == "True":
        raise UserError(f"--max-restarts {restarts} wants {OWN_STORE_VARIABLE}=1 in torchrun's environment. Set it.")
    with _meeting():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    yield Ranks(dist.get_rank(), dist.get_world_size(), device)
    # Not on the way out of a failure: the others may be gone, and torchrun ends them all.
    dist.destroy_process_group()


@contextlib.contextmanager
def _meeting() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"another process of this training is gone or out of reach ({reason}). "
            "The same command goes on from the last checkpoint."
        ) from error
