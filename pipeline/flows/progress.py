"""How far the training of a flow run is, read from its journal and shown as a progress artifact."""

import contextlib
import time
from pathlib import Path
from uuid import UUID

import psutil
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from pipeline import paths
from pipeline.supervision import LOCK_NAME
from pipeline.tracking.journal import JOURNAL_NAME, Point, read_growing_journal
from seq2sum.params_file import load_params

POLL_SECONDS = 10.0


def points_so_far(tree: Path) -> list[Point]:
    """The journal of the training that runs in the work tree; nothing while none does.

    The work tree does not say which key its training has, but the checkpoints' folder names the process that holds it.
    """
    for lock in (tree / paths.CHECKPOINTS).glob(f"*/{LOCK_NAME}"):
        with contextlib.suppress(ValueError, OSError, psutil.Error):
            if psutil.Process(int(lock.read_text())).cwd() == str(tree):
                return read_growing_journal(lock.with_name(JOURNAL_NAME))
    return []


class TrainingProgress:
    """Call it as often as you like, and :meth:`end` at the end; it looks every POLL_SECONDS.

    ``tree``: the run's work tree.
    """

    def __init__(self, tree: Path) -> None:
        train = load_params(tree / paths.PARAMS).train
        self._num_steps = train.pretrain.max_steps + train.max_steps + train.reward.max_steps
        self._tree, self._look_at = tree, time.monotonic()
        self._artifact: UUID | None = None

    def __call__(self) -> None:
        """Makes the artifact or brings it up to date."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + POLL_SECONDS
        points = points_so_far(self._tree)
        if not points:
            return
        step = max(point.step for point in points)
        self._show(min(100.0, 100 * step / self._num_steps))

    def end(self) -> None:
        """The training is over, perhaps before its last step or the next look."""
        self._show(100.0)

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            created = create_progress_artifact(percent, description="training steps")
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, percent)
