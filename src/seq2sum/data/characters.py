"""Characters that no text holds."""

import re

# White space apart, control characters mean that this is no text; a lone surrogate is half a character.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")


def control_character(text: str) -> str | None:
    """The first control character of ``text``, white space apart, and its place, in words; None if it has none."""
    found = _NO_TEXT.search(text)
    return f"the control character U+{ord(found.group()):04X} at {found.start():,}" if found else None
