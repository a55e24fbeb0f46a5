"""Reading params and sections from files: what is wrong is told by the key's path, with the mend."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from seq2sum.config import Params
from seq2sum.errors import UserError
from seq2sum.section import Section

SectionType = TypeVar("SectionType", bound=Section)


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
        lines = [f"  {describe_problem(problem)}" for problem in error.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} bad key(s):", *lines])) from error


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
