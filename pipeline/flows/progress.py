"""How far the training of a flow run is, read from its journal and shown as a progress artifact."""

import time
from pathlib import Path
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from pipeline import paths
from pipeline.tracking.journal import JOURNAL_NAME, read_growing_journal
from seq2sum.params_file import load_params

POLL_SECONDS = 10.0


class TrainingProgress:
    """Call it as often as you like; it looks every POLL_SECONDS. ``tree``: the run's work tree."""

    def __init__(self, tree: Path) -> None:
        train = load_params(tree / paths.PARAMS).train
        self._num_steps = train.pretrain.max_steps + train.max_steps + train.reward.max_steps
        self._checkpoints = tree / paths.CHECKPOINTS
        self._began, self._look_at = time.time(), time.monotonic()
        self._artifact: UUID | None = None

    def __call__(self) -> None:
        """Makes the artifact or brings it up to date."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + POLL_SECONDS
        # The one that grows is ours: the work tree does not say which key its training has.
        grown = [
            (path.stat().st_mtime, path)
            for path in self._checkpoints.glob(f"*/{JOURNAL_NAME}")
            if path.stat().st_mtime > self._began
        ]
        if not grown:
            return
        step = max((point.step for point in read_growing_journal(max(grown)[1])), default=0)
        percent = min(100.0, 100 * step / self._num_steps)
        if self._artifact is None:
            created = create_progress_artifact(percent, description="training steps")
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, percent)
