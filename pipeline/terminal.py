"""How commands write to a terminal, and how they leave a pipe or file without its codes."""

import os
import sys
import unicodedata
from collections.abc import Sequence

import typer


def has_colours() -> bool:
    """Whether standard output is a terminal that shows colours; NO_COLOR (no-color.org) and TERM=dumb say no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, colour: str) -> str:
    """``text`` in ``colour`` where there are colours, else as it is."""
    return typer.style(text, fg=colour) if has_colours() else text


def columns(rows: Sequence[Sequence[str]], colours: Sequence[str | None] = ()) -> str:
    """Rows of cells under each other, two spaces apart; ``colours`` are those of whole rows."""
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    shown = [*colours, *[None] * (len(lines) - len(colours))]
    return "\n".join(coloured(line, colour) if colour else line for line, colour in zip(lines, shown, strict=True))


def display_width(text: str) -> int:
    """The columns that ``text`` takes on a terminal: two for a wide character, none for one that joins another."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
