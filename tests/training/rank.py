"""A process of a training of made-up pairs: `torchrun … rank.py FOLDER [CHECK | broken]`.

With CHECK the second process is killed when it asks that often whether to stop, the first time that it is started; the
next time it is late. With `broken` a step's loss is no number in the second process.
"""

import itertools
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch

from pipeline.supervision import end_with_starter, stop_when_asked
from seq2sum.config import TrainParams
from seq2sum.training.distributed import joined_ranks
from tests.training.test_trainer import CPU, broken_once, run, three_phases, train_params


def params() -> TrainParams:
    """Three phases, and batches so small that many have a single row."""
    return three_phases(average_best=2, batch_tokens=30)


def main(folder: Path, way: str) -> None:
    end_with_starter()
    is_asked = stop_when_asked()
    (folder / f"process-{os.getpid()}").touch()
    is_first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if os.environ["RANK"] == "1" and not is_first_start:
        time.sleep(3)
    with joined_ranks(CPU) as ranks:
        is_doomed = ranks.rank == 1 and is_first_start
        checks = itertools.count(1)

        def should_stop() -> bool:
            if str(next(checks)) == way and is_doomed:
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return is_asked()

        if way == "broken":
            training = broken_once(folder, train_params(), math.nan if ranks.rank == 1 else 1.0, ranks)
        else:
            training = run(folder, params(), should_stop, ranks)
        weights = torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])
        (folder / f"weights-{ranks.rank}").write_bytes(weights.numpy().tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), "".join(sys.argv[2:]))
