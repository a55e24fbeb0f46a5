"""Worker processes: read from the environment, never part of a result's identity."""

import os

from seq2sum.environment import whole_number


def num_workers() -> int:
    """SEQ2SUM_WORKERS, or as many as this process may use cores. Raises UserError for a bad number."""
    return whole_number("SEQ2SUM_WORKERS", len(os.sched_getaffinity(0)))
