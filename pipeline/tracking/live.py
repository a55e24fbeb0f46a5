"""Live curves for a training, drawn by a process of its own so that no server can hold the training up."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# In the checkpoint folder: how the training ended, written by the trainer; and what the follower said.
OUTCOME_NAME = "outcome"
LOG_NAME = "follow.log"


@contextlib.contextmanager
def live_curves(folder: Path, train_key: str) -> Iterator[None]:
    """Streams the journals that grow in ``folder`` to MLflow for as long as the block runs.

    Nothing is waited for, and no failure of the follower reaches the block. SEQ2SUM_TRACKING=off turns it off:
    `publish` then sends everything at the end, as it also does with what the follower could not send.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcome = folder / OUTCOME_NAME
    outcome.unlink(missing_ok=True)
    if os.environ.get("SEQ2SUM_TRACKING") != "off":
        _start_follower(folder, train_key)
    try:
        yield
    except Exception:
        outcome.write_text("FAILED", encoding="utf-8")
        raise
    except BaseException:
        outcome.write_text("KILLED", encoding="utf-8")
        raise
    outcome.write_text("FINISHED", encoding="utf-8")


def _start_follower(folder: Path, train_key: str) -> None:
    """A session of its own: a signal to the trainer's group lets the follower send the rest and close the run."""
    command = [sys.executable, "-m", "pipeline.tracking.follow", str(folder)]
    with (folder / LOG_NAME).open("ab") as log:
        subprocess.Popen(
            [*command, "--key", train_key, "--pid", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
