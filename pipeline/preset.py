"""Writes a preset's values into params.yaml and keeps its comments: ``python -m pipeline.preset NAME``.

Values of one's own, such as those that `seq2sum init` chose, are written over only where git has them or by --force.
"""

import argparse
import copy
import io
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import ruamel.yaml

from pipeline import paths
from pipeline.committed import require_committed
from seq2sum.config import Params
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.params_file import checked, load_yaml, parse_yaml
from seq2sum.section import Section

# Begins the lines at the head of params.yaml in which `seq2sum init` gives its reasons, one for a value.
REASON = "#: "


def apply_preset(preset: Path, params: Path, section: type[Section] = Params, *, force: bool) -> list[str]:
    """Sets every value of ``preset`` in ``params`` and returns a line for each that differed.

    The reasons that `seq2sum init` gave for those that differed go, since they hold no more.
    Raises UserError, and leaves ``params`` as it was, if ``preset`` is missing, has a key that ``params`` lacks or
    does not fit ``section``, the model of the whole file; without ``force`` also if values would be lost, which
    neither git nor a preset beside this one has.
    """
    load_yaml(params, section)
    yaml = round_trip_yaml()
    document = yaml.load(params.read_text(encoding="utf-8"))
    before = copy.deepcopy(document)
    changes = overlay(document, _values(preset), preset)
    if changes:
        others = preset.parent.glob("*.yaml")
        if not force and not any(_brings_back(other, copy.deepcopy(document), before) for other in others):
            require_committed(params, f"give --force (`make`: FORCE=1) to write over them: {'; '.join(changes)}")
        text = io.StringIO()
        yaml.dump(document, text)
        checked(parse_yaml(text.getvalue()), preset, section)
        outdated = tuple(f"{REASON}  {change.partition(':')[0]}:" for change in changes)
        lines = text.getvalue().splitlines(keepends=True)
        write_text(params, "".join(line for line in lines if not line.startswith(outdated)))
    return changes


def _brings_back(preset: Path, document: MutableMapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the preset would make of ``document``, which it changes, what stood there before."""
    try:
        overlay(document, _values(preset), preset)
    except UserError:
        # One that does not fit is told when it is asked for.
        return False
    return document == before


def _values(preset: Path) -> Mapping[str, Any]:
    try:
        values = round_trip_yaml().load(preset.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in preset.parent.glob("*.yaml"))) or "none"
        raise UserError(f"{preset}: not found. Known presets: {known}.") from error
    except (ruamel.yaml.error.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{preset}: not readable as YAML: {error}") from error
    if not isinstance(values, Mapping):
        raise UserError(f"{preset}: expected sections as in the params, found {type(values).__name__}.")
    return values


def overlay(document: MutableMapping[str, Any], values: Mapping[str, Any], preset: Path, above: str = "") -> list[str]:
    """Sets ``values`` in ``document``, section by section, and returns a line for each that differed."""
    changes = []
    for name, value in values.items():
        key = f"{above}{name}"
        if name not in document:
            raise UserError(f"{preset}: {key}: unknown. Remove it or mend its name.")
        present = document[name]
        if isinstance(value, Mapping) != isinstance(present, Mapping):
            raise UserError(f"{preset}: {key}: a section on one side and a single value on the other.")
        if isinstance(value, Mapping):
            changes += overlay(present, value, preset, f"{key}.")
        elif present != value:
            changes.append(f"{key}: {present} → {value}")
            document[name] = value
    return changes


def round_trip_yaml() -> ruamel.yaml.YAML:
    """A reader and writer that keeps comments, quotes, long lines and a written ``null``."""
    yaml = ruamel.yaml.YAML()
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def as_yaml(value: float | str | bool) -> str:
    """A single value as YAML, on a line."""
    text = io.StringIO()
    round_trip_yaml().dump(value, text)
    return text.getvalue().splitlines()[0]


def main(presets: Path = paths.PRESETS, params: Path = paths.PARAMS, section: type[Section] = Params) -> None:
    """The command line, for the ``presets`` of a ``params`` file."""
    parser = argparse.ArgumentParser(description=f"Writes a preset's values into {params}.")
    parser.add_argument("name", help=f"a file in {presets}/, without .yaml")
    parser.add_argument("--force", action="store_true", help="write over values that neither git nor a preset has")
    arguments = parser.parse_args()
    preset = presets / f"{arguments.name}.yaml"
    try:
        changes = apply_preset(preset, params, section, force=arguments.force)
    except UserError as error:
        print(f"preset failed: {error}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(changes) or f"{params} has the values of {preset} already.")


if __name__ == "__main__":
    main()
