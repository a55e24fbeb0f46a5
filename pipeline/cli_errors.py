"""How commands tell what the user can mend."""

import contextlib
import sys
from collections.abc import Iterator

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
