"""From the values of a foreign table to the text of a pair."""

from typing import Any

from seq2sum.errors import UserError


def as_text(value: Any, where: str) -> str:
    """The value as text; null as empty text, for the validation to judge.

    Raises UserError beginning with ``where`` if it is of another kind, or text that UTF-8 cannot hold.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where} is {describe_kind(value)}, not text. Name a column of texts.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where} is not valid Unicode: half a surrogate pair at character {error.start + 1}. Repair or remove it."
        ) from error
    return value


def as_key(value: Any, where: str) -> str:
    """Like :func:`as_text`, for an id or a group: whole numbers are taken as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value, where)


def describe_kind(value: object) -> str:
    """The value's kind in words."""
    kinds: dict[type, str] = {bool: "a truth value", int: "a number", float: "a number", list: "a list"}
    kinds |= {str: "text", dict: "an object", type(None): "null"}
    return kinds.get(type(value), f"of type {type(value).__name__}")
