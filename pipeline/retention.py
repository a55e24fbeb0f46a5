"""What earlier trainings may leave on the disk: their newest checkpoints, up to a size, and nothing half written."""

from pathlib import Path

from pipeline.supervision import exclusive_if_free

# A checkpoint's two files, and what an incident left.
BULKY = ("step-*", "incident-*")


def tidy(checkpoints: Path, own: Path, max_bytes: int) -> None:
    """Removes unfinished files, and the checkpoints of other trainings than ``own`` beyond ``max_bytes`` in all.

    The trainings that were worked on last keep theirs. Journals stay, for `publish`. A folder that another process
    works in is left alone; ``own`` is locked by the caller.
    """
    _remove_unfinished(own)
    others = [folder for folder in checkpoints.iterdir() if folder.is_dir() and folder != own]
    for folder in sorted(others, key=_last_change, reverse=True):
        with exclusive_if_free(folder) as is_free:
            if not is_free:
                continue
            _remove_unfinished(folder)
            files = [file for pattern in BULKY for file in folder.glob(pattern)]
            max_bytes -= sum(file.stat().st_size for file in files)
            if max_bytes < 0:
                for file in files:
                    file.unlink()


def _remove_unfinished(folder: Path) -> None:
    for file in folder.glob(".*.part"):
        file.unlink()


def _last_change(folder: Path) -> float:
    return max((file.stat().st_mtime for file in folder.glob("step-*")), default=0.0)
