"""Worker processes: read from the environment, never part of a result's identity."""

import os

from seq2sum.errors import UserError


def num_workers() -> int:
    """SEQ2SUM_WORKERS, or as many as this process may use cores. Raises UserError for a bad number."""
    workers = os.environ.get("SEQ2SUM_WORKERS") or str(len(os.sched_getaffinity(0)))
    if not workers.isdecimal() or int(workers) < 1:
        raise UserError(f"SEQ2SUM_WORKERS={workers}: must be a whole number from 1 on.")
    return int(workers)
