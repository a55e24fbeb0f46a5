"""How commands tell what the user can mend."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer

from seq2sum.errors import UserError


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Prints a UserError's message alone and exits with 2."""
    try:
        yield
    except UserError as error:
        print(f"seq2sum: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


def require_writable(path: Path, *, is_folder: bool = False) -> None:
    """Raises UserError naming a ``path`` that can't be written, before work is done for it; writes nothing."""
    try:
        above = path.parent
        while not above.exists():
            above = above.parent
        # What is written stands under another name first (seq2sum.files), so the right to the folder decides.
        tempfile.TemporaryFile(dir=above).close()
        is_other = path.exists() and path.is_dir() != is_folder
    except OSError as error:
        raise UserError(
            f"{path}: can't be written: {above}: {error.strerror}. Name another place, or get the right to write there."
        ) from error
    if is_other:
        raise UserError(f"{path}: is a {'file, not a folder' if is_folder else 'folder, not a file'}. Name another.")
