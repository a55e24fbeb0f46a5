"""Several processes for one training on this machine: the stage's process becomes torchrun, which starts them."""

import os
import sys

from pipeline.supervision import name_starters
from seq2sum.environment import whole_number
from seq2sum.training.distributed import OWN_STORE_VARIABLE

# How often torchrun starts all processes again, from the last checkpoint, after one of them was lost.
MAX_RESTARTS = 3


def become_launcher(module: str) -> None:
    """Replaces this process by torchrun over SEQ2SUM_PROCESSES times ``module``; returns where that is not asked for.

    Raises UserError for a bad number.
    """
    processes = whole_number("SEQ2SUM_PROCESSES", 1)
    if processes == 1 or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    # The process stays the same one to its starter, and those that torchrun starts end when that starter is gone.
    name_starters()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ[OWN_STORE_VARIABLE] = "1"
    options = ["--standalone", f"--nproc-per-node={processes}", f"--max-restarts={MAX_RESTARTS}"]
    os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *options, "-m", module])
