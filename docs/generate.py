"""Writes the reference pages from the code: `python docs/generate.py`; a test holds that they are up to date."""

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotated_types
import click
import yaml
from pydantic.fields import FieldInfo
from typer.main import get_command

from pipeline.cli import app
from seq2sum.config import Params
from seq2sum.data_config import DebianSource, FilesSource, HubSource
from seq2sum.section import Section

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"
NOTE = "<!-- Written by docs/generate.py. -->\n\n"

# The unit of a number, by how its key ends; the first that fits.
UNITS = {
    r"seed$|num_permutations$|salt$": "none",
    r"stride$|conv_width$": "pieces",
    r"_steps$|^validate_every$|^log_every$|^checkpoint_every$": "steps",
    r"_tokens$|^vocab_size$|^shortlist$": "pieces",
    r"_words$": "words",
    r"_share$|similarity$|^looping$|^copying$": "share, 0 to 1",
    r"_ratio$": "words over words",
    r"^beam_size$": "count",
    r"_layers$": "layers",
    r"_size$": "features",
    r"_samples$": "count",
    r"^max_pairs$|^min_pairs$": "pairs",
    r"_sources$|_sentences$|_documents$|^patience$|^average_best$|^max_incidents$|^min_frequency$|ngrams$": "count",
    r"dropout$|smoothing$|decay$|^alpha$|^power$|growth$|learning_rate$|penalty$|weight$|^clip_norm$|_factor$": "none",
    r"^effect$|^max_rouge_loss$": "points of ROUGE",
}


def params_page() -> str:
    """Every key of params.yaml: its value there, unit, range and effect."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    presets = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "presets").glob("*.yaml"))]
    parts = [
        "# Params",
        "Every value that changes a result stands in `params.yaml`; a section belongs to the stage of its name, and "
        "`promote` to the registry's gate. Keys that are unknown, missing or out of range are refused with their path. "
        f"Default is the value in the repository; keys with a star differ between the {len(presets)} presets.",
    ]
    varied = {key for preset in presets for key in _flat(preset)}
    for name, field in Params.model_fields.items():
        parts += _section(field.alias or name, field.annotation, values[field.alias or name], varied)
    return NOTE + "\n\n".join(parts) + "\n"


def _section(path: str, model: Any, values: dict[str, Any], varied: set[str]) -> Iterator[str]:
    yield f"## {path}"
    yield _inline(model.__doc__)
    rows = ["| key | default | range | unit | effect |", "|---|---|---|---|---|"]
    nested = []
    for key, field in model.model_fields.items():
        if key == "source":
            nested += [(f"{path}.source: {kind.__name__}", kind) for kind in (DebianSource, HubSource, FilesSource)]
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            nested.append((f"{path}.{key}", field.annotation))
        else:
            rows.append(_row(key, field, values.get(key), "*" if f"{path}.{key}" in varied else ""))
    if len(rows) > 2:
        yield "\n".join(rows)
    for name, of_key in nested:
        inside = values.get(name.rpartition(".")[2], {}) if ": " not in name else {}
        yield from _section(name, of_key, inside, varied)


def _row(key: str, field: FieldInfo, value: Any, star: str) -> str:
    numeric = any(kind in _types(field.annotation) for kind in (int, float))
    unit = unit_of(key) if numeric else ""
    shown = "" if value is None else f"`{json.dumps(value)}`"
    return f"| `{key}`{star} | {shown} | {_range(field)} | {unit} | {field.description or ''} |"


def unit_of(key: str) -> str:
    """The unit of a numeric key. Raises LookupError for one that this page has no unit for."""
    return next((unit for pattern, unit in UNITS.items() if re.search(pattern, key)), "") or _missing(key)


def _missing(key: str) -> str:
    raise LookupError(f"docs/generate.py: UNITS has none for {key!r}")


def _types(annotation: Any) -> set[Any]:
    found = {annotation}
    for inside in typing.get_args(annotation):
        found |= _types(inside)
    return found


def _range(field: FieldInfo) -> str:
    options = [value for kind in _types(field.annotation) if typing.get_origin(kind) is typing.Literal
               for value in typing.get_args(kind)]  # fmt: skip
    if field.annotation is not None and type(None) in typing.get_args(field.annotation):
        options.append(None)
    bounds = []
    for known in _constraints(field):
        bounds += [
            f"{sign} {_number(getattr(known, name))}"
            for kind, name, sign in (
                (annotated_types.Ge, "ge", "≥"),
                (annotated_types.Gt, "gt", ">"),
                (annotated_types.Le, "le", "≤"),
                (annotated_types.Lt, "lt", "<"),
            )
            if isinstance(known, kind)
        ]
    if bool in _types(field.annotation):
        options = ["true", "false"]
    words = [f"`{json.dumps(option).strip(chr(34))}`" for option in options if not _is_split(field)]
    return ", ".join([*bounds, *words])


def _number(bound: float) -> str:
    return str(bound if isinstance(bound, int) else f"{bound:g}")


def _is_split(field: FieldInfo) -> bool:
    return any(typing.get_origin(kind) is dict for kind in _types(field.annotation))


def _constraints(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for kind in _types(field.annotation):
        for inside in getattr(kind, "__metadata__", ()):
            yield from getattr(inside, "metadata", [inside])


def _flat(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield from _flat(value, f"{above}{key}.") if isinstance(value, dict) else (f"{above}{key}",)


def _inline(text: str | None) -> str:
    return " ".join((text or "").split())


def commands_page() -> str:
    """The help of every command, as the terminal shows it at 100 columns."""
    parts = [
        "# Command line",
        "`seq2sum` is `./seq2sum` in a fresh clone, and `seq2sum` in an activated environment; there "
        "`seq2sum --install-completion` has the shell complete commands and options. Results go to standard output, "
        "all else to standard error. Colours are for terminals alone; NO_COLOR turns them off.",
    ]
    for path, command in _commands(get_command(app), ("seq2sum",)):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100, terminal_width=100)
        parts += [f"## {' '.join(path)}", f"```text\n{command.get_help(context).rstrip()}\n```"]
    return NOTE + "\n\n".join(parts) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield path, command
        return
    for name in sorted(inside):
        yield from _commands(inside[name], (*path, name))


def measurements_page() -> str:
    """The scores that the repository keeps, from benchmarks/quality.json."""
    parts = [
        "# Measurements",
        "What `benchmarks/quality.json` keeps: F1 × 100 on the test split with 95 % intervals. The file also has all "
        "params, the baselines and the tests.",
    ]
    rows = ["| corpus | preset | parameters | steps | seconds | ROUGE-1 | ROUGE-2 | ROUGE-L | ROUGE-1, best lead |",
            "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for run in json.loads((ROOT / "benchmarks/quality.json").read_text(encoding="utf-8")):
        scores = [f"{mean:.1f} [{low:.1f}, {high:.1f}]" for mean, low, high in
                  (run["model"][kind] for kind in ("rouge1", "rouge2", "rougeL"))]  # fmt: skip
        lead = "first_sentence" if "first_sentence" in run else "lead"
        gain = run["model"]["rouge1"][0] - run[lead]["rouge1"][0]
        facts = (run["corpus"], run["preset"], f"{run['num_parameters']:,}", f"{run['train_steps']:,}",
                 f"{run['train_seconds']:,.0f}", *scores, f"{gain:+.1f} over {lead.replace('_', ' ')}")  # fmt: skip
        rows.append(f"| {' | '.join(facts)} |")
    machines = {f"{run['machine']['cpu_cores']} cores of {run['machine']['cpu']}, GPU {run['machine']['gpu']}"
                for run in json.loads((ROOT / "benchmarks/quality.json").read_text(encoding="utf-8"))}  # fmt: skip
    return NOTE + "\n\n".join([*parts, "\n".join(rows), f"Measured on {'; '.join(sorted(machines))}."]) + "\n"


def pages() -> dict[Path, str]:
    """Each generated file and what it should hold."""
    return {
        REFERENCE / "params.md": params_page(),
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "measurements.md": measurements_page(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
