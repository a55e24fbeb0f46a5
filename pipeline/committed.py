"""Whether git can bring a file back, asked before it is written over."""

import subprocess
from pathlib import Path

from seq2sum.errors import UserError


def require_committed(path: Path, otherwise: str) -> None:
    """Raises UserError if the last commit does not hold the file just as it is. ``otherwise``: another way."""
    if not _git_has(path):
        raise UserError(f"{path}: has changes that git does not have. Commit them, or {otherwise}.")


def _git_has(path: Path) -> bool:
    for command in (["ls-files", "--error-unmatch"], ["diff", "--quiet", "HEAD", "--"]):
        try:
            done = subprocess.run(["git", *command, path.name], cwd=path.parent, capture_output=True, check=False)
        except FileNotFoundError:
            return False
        if done.returncode != 0:
            return False
    return True
