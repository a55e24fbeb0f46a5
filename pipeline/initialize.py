"""Writes params.yaml for a corpus of one's own: its files and columns, and sizes that fit it, each with the reason."""

import glob
import io
import os
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from pipeline.committed import require_committed
from pipeline.lineage import flat, flat_params
from pipeline.preset import REASON, round_trip_yaml
from pipeline.sizing import SAMPLE_PAIRS, TRIAL, Choice, Corpus, choices, for_trial, gate_outlook, seconds, warnings
from seq2sum.config import Params
from seq2sum.data.columns import Columns, find_columns
from seq2sum.data.pairs import Pair
from seq2sum.data.sources.files import FilePairs
from seq2sum.data_config import FilesSource, SplitName
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.params_file import checked, load_params, parse_yaml

_SEED = 1


class Plan(NamedTuple):
    """What is to stand in params.yaml, and what stands there (``before``: every value as text, by its key).

    ``num_textless``: rows without document or summary, which are not among the ``num_pairs``.
    ``seconds``: the estimated time of the training on two cores. ``gate``: what the promotion gate will tell apart.
    """

    source: FilesSource
    columns: Columns
    num_pairs: int
    num_textless: int
    choices: list[Choice]
    before: dict[str, str]
    seconds: float
    warnings: list[str]
    gate: str


def plan(
    files: Mapping[SplitName, Sequence[str]],
    document: str | None,
    summary: str | None,
    pair_id: str | None,
    group: str | None,
    params: Path,
    *,
    trial: bool,
) -> Plan:
    """Reads all the files and judges what fits them. ``files``: paths or globs of each split, or of `all`.

    Columns that are None are looked for. ``trial``: with the budget of a first trial.

    Raises UserError naming the file, row or column that does not fit.
    """
    patterns = {split: [_pattern(name) for name in names] for split, names in files.items()}
    learned: SplitName = "all" if "all" in files else "train"
    # Of all names, so that each is told as it was typed.
    first_files = {split: [_first_file(name) for name in names] for split, names in files.items()}
    columns = find_columns(first_files[learned][0], document, summary)
    source = FilesSource(
        kind="files",
        paths=patterns,
        document=columns.document,
        summary=columns.summary,
        id=pair_id,
        group=group,
    )
    pairs = FilePairs(source)
    corpus, num_textless = _read(source, pairs.pairs(None if learned == "all" else learned))
    _require_letters(source.document, corpus.documents, "--documents")
    _require_letters(source.summary, corpus.summaries, "--summaries")
    # Val only to find now what does not fit.
    num_held_out = {
        split: sum(map(_has_text, pairs.pairs(split))) for split in pairs.splits if split in ("val", "test")
    }
    present = load_params(params)
    chosen = choices(corpus, present.train.batch_tokens)
    if trial:
        chosen = for_trial(chosen)
    time = seconds(chosen, present.train.batch_tokens)
    most = TRIAL["ingest.max_pairs"] if trial else None
    in_all = num_held_out["test"] if "test" in files else round(present.split.test_share * corpus.num_pairs)
    with_most = most if "test" in files else most and round(present.split.test_share * most)
    gate = gate_outlook(in_all, with_most, present.promote)
    told = warnings(corpus)
    return Plan(source, columns, corpus.num_pairs, num_textless, chosen, flat_params(params), time, told, gate)


def replaced(plan: Plan) -> list[str]:
    """For each choice, in order, the value that it replaces, as text; empty where that is the same."""
    values = [(plan.before[choice.key], flat({"": choice.value})[""]) for choice in plan.choices]
    return [before if before != value else "" for before, value in values]


def _pattern(name: str) -> str:
    # A flow reads them from a work tree that lies elsewhere.
    name = os.path.abspath(name) if ".." in Path(name).parts else name
    return glob.escape(name) if Path(name).is_file() else name


def _first_file(name: str) -> Path:
    """By name. Raises UserError if the path or glob, as it was typed, names none."""
    found = [path for path in sorted(glob.glob(_pattern(name), recursive=True)) if Path(path).is_file()]
    if found:
        return Path(found[0])
    if Path(name).is_dir():
        raise UserError(f"{name} is a folder: name its files, such as {Path(name) / '*.csv'}.")
    raise UserError(f"{name}: no such file (seen from {Path.cwd()}).")


def _has_text(pair: Pair) -> bool:
    return bool(pair.document.strip() and pair.summary.strip())


def _read(source: FilesSource, pairs: Iterable[Pair]) -> tuple[Corpus, int]:
    """A sample (Vitter 1985, algorithm R) and the number of the pairs with both texts, and the number of the others."""
    rng = random.Random(_SEED)
    sample: list[tuple[str, str]] = []
    num_pairs = num_textless = 0
    for pair in tqdm(pairs, "init", unit=" pairs", mininterval=1, disable=not sys.stderr.isatty()):
        if _has_text(pair):
            num_pairs += 1
            place = len(sample) if num_pairs <= SAMPLE_PAIRS else rng.randrange(num_pairs)
            if place < SAMPLE_PAIRS:
                sample[place : place + 1] = [(pair.document, pair.summary)]
        else:
            num_textless += 1
    if not sample:
        raise UserError(
            f"no row has text in both {source.document!r} and {source.summary!r}. Name other columns with --documents "
            "and --summaries."
        )
    corpus = Corpus(num_pairs, [document for document, _ in sample], [summary for _, summary in sample])
    return corpus, num_textless


def _require_letters(column: str, texts: Sequence[str], flag: str) -> None:
    """Raises UserError where the column holds numbers, dates or the like."""
    letterless = [text for text in texts if not any(character.isalpha() for character in text)]
    if len(letterless) > len(texts) / 2:
        raise UserError(
            f"{column!r} is no column of texts: {len(letterless) / len(texts):.0%} of its cells hold no letter, such "
            f"as {letterless[0][:40]!r}. Name another with {flag}."
        )


def write_plan(plan: Plan, params: Path, *, force: bool) -> None:
    """Sets the plan's values in ``params``, comments kept, and puts the reasons at its head.

    A file with changes of its own, which git could not bring back, is replaced only by ``force``: else UserError.
    """
    if not force:
        require_committed(params, "give --force to write over the values that `init` sets (the others stay)")
    lines = params.read_text(encoding="utf-8").splitlines(keepends=True)
    yaml = round_trip_yaml()
    document = yaml.load("".join(line for line in lines if not line.startswith(REASON)))
    document["ingest"]["source"] = plan.source.model_dump()
    for choice in plan.choices:
        *sections, key = choice.key.split(".")
        section = document
        for name in sections:
            section = section[name]
        section[key] = choice.value
    text = io.StringIO()
    yaml.dump(document, text)
    checked(parse_yaml(text.getvalue()), params, Params)
    head = [
        f"`seq2sum init` set these for {_told(plan.source)} ({plan.num_pairs:,} pairs):",
        *(f"  {choice.key}: {flat({'': choice.value})['']}  # {choice.reason}" for choice in plan.choices),
    ]
    write_text(params, "".join(f"{REASON}{line}\n" for line in head) + text.getvalue())


def _told(source: FilesSource) -> str:
    """The files, those of the other splits after those that are learned from."""
    learned, *others = source.paths.items()
    return "; ".join([", ".join(learned[1]), *(f"{split}: {', '.join(names)}" for split, names in others)])


def as_json(plan: Plan, params: Path) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "params": str(params),
        "source": plan.source.model_dump(),
        "num_pairs": plan.num_pairs,
        "num_textless": plan.num_textless,
        "choices": [
            choice._asdict() | {"replaced": before or None}
            for choice, before in zip(plan.choices, replaced(plan), strict=True)
        ],
        "seconds": round(plan.seconds),
        "warnings": plan.warnings,
        "gate": plan.gate,
    }
