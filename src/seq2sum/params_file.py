"""Reading params and sections from files: what is wrong is told by the key's path, with the mend."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from pydantic import ValidationError

from seq2sum.config import Params
from seq2sum.errors import UserError
from seq2sum.section import Section

SectionType = TypeVar("SectionType", bound=Section)
# Holds every key of params.yaml with the value that it has in the repository.
_REFERENCE = "docs/reference/params.md"


def parse_yaml(text: str) -> Any:
    """What ``text`` says in YAML 1.2, which DVC reads and writes: there 1e-3 is a number. Raises ValueError."""
    # A quarter of a second, for the few that read YAML.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError(str(error)) from error


def load_params(path: Path) -> Params:
    """Reads and validates params.yaml. Raises UserError as :func:`load_yaml`."""
    return load_yaml(path, Params)


def load_yaml(path: Path, section: type[SectionType]) -> SectionType:
    """Reads and validates a YAML file as ``section``.

    Raises UserError naming each unknown, missing or wrong key by its path.
    """
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run from the folder that holds it.") from error
    except ValueError as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from error
    return checked(raw, path, section)


def checked(raw: object, path: Path, section: type[SectionType]) -> SectionType:
    """What was read from ``path``, as ``section``. Raises UserError as :func:`load_yaml`."""
    if not isinstance(raw, dict):
        names = ", ".join(field.alias or name for name, field in list(section.model_fields.items())[:2])
        raise UserError(f"{path}: expected sections ({names}, …), found {type(raw).__name__}.")
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {describe_problem(problem)}{_lines_to_add(problem, section)}" for problem in error.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} bad key(s):", *lines])) from error


def _lines_to_add(problem: Mapping[str, Any], section: type[Section]) -> str:
    """For a section that is missing, such as one that older files lack, its lines, values apart."""
    keys, kind = list(problem["loc"]), _section_under(section, problem["loc"])
    if problem["type"] != "missing" or kind is None:
        return ""
    above = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    lines = ["", f"These lines are meant, with the values of {_REFERENCE}:", *above, *_keys_of(kind, len(keys))]
    return "\n    ".join(lines)


def _keys_of(section: type[Section], depth: int) -> list[str]:
    lines = []
    for name, field in section.model_fields.items():
        lines.append(f"{'  ' * depth}{field.alias or name}:")
        if _is_section(field.annotation):
            lines += _keys_of(field.annotation, depth + 1)
    return lines


def _section_under(section: type[Section], keys: Sequence[int | str]) -> type[Section] | None:
    """The section that stands under a path of keys, if one does."""
    for key in keys:
        kinds = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
        kind = kinds.get(str(key))
        if not _is_section(kind):
            return None
        section = kind
    return section


def _is_section(kind: object) -> TypeGuard[type[Section]]:
    return isinstance(kind, type) and issubclass(kind, Section)


def read_section(path: Path, section: type[SectionType]) -> SectionType:
    """Reads one section kept as a JSON file (a model folder's settings).

    Raises UserError naming the file and each bad key.
    """
    try:
        return section.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Is {path.parent} a model folder?") from error
    except ValidationError as error:
        lines = [f"  {describe_problem(problem)}" for problem in error.errors()]
        raise UserError("\n".join([f"{path}: damaged or of another version:", *lines])) from error


def describe_problem(problem: object) -> str:
    """One line for one pydantic problem: the key's path, what is wrong and, where known, the mend."""
    assert isinstance(problem, dict)
    key = ".".join(str(part) for part in problem["loc"])
    kind, value = problem["type"], problem.get("input")
    if kind == "value_error":
        return ": ".join(part for part in (key, f"{problem['ctx']['error']}.") if part)
    if kind == "missing":
        return f"{key}: missing. Add it."
    if kind == "extra_forbidden":
        return f"{key}: unknown. Remove it or mend its name."
    return f"{key}: {problem['msg']} (found {value!r})."
