"""What a report tells: the files that the stages left behind, read and checked."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.jsonfile import read_json
from pipeline.tracking.journal import Point, read_journal
from seq2sum.config import TrainParams
from seq2sum.data.pairs import read_pairs
from seq2sum.errors import UserError
from seq2sum.evaluation.system_outputs import SystemOutputs, read_outputs

# What DVC has hashes of and the report is made from; its md5 of a file is that of the content.
LINEAGE = (
    paths.TRAIN_PAIRS,
    paths.VAL_PAIRS,
    paths.TEST_PAIRS,
    paths.MODEL / "model.safetensors",
    paths.MODEL / "model.json",
    paths.MODEL / "tokenizer.json",
    paths.MODEL / "search.json",
    paths.JOURNAL,
    paths.TRAIN_REPORT,
    paths.SCORES,
    paths.HYPOTHESES,
)
# The name of the registry's champion among the systems, once a report has it.
CHAMPION = "champion"
_HISTOGRAMS = ("document_words", "summary_words", "novelty")


@dataclass(frozen=True)
class Facts:
    """``numbers`` holds the JSON reports by name: scores, train, data, split, card, search, model, the
    settings of the training and, beside a champion, the gate's verdict.

    ``histograms`` are the columns of the data's plots, ``documents`` those of the test split, in the order of
    ``outputs``, and ``hashes`` the md5 of each file of ``LINEAGE``.
    """

    numbers: Mapping[str, Mapping[str, Any]]
    histograms: Mapping[str, Mapping[str, Sequence[float]]]
    journal: Sequence[Point]
    outputs: SystemOutputs
    documents: Sequence[str]
    hashes: Mapping[Path, str]


def read_facts(train: TrainParams) -> Facts:
    """``train``: the settings that the files were made with.

    Raises UserError naming the file that is missing or damaged, or does not go with the others.
    """
    outputs = read_outputs(paths.HYPOTHESES)
    pairs = list(read_pairs(paths.TEST_PAIRS))
    if [pair.id for pair in pairs] != list(outputs.ids):
        raise UserError(f"{paths.HYPOTHESES}: not of the pairs in {paths.TEST_PAIRS}. Run the evaluate stage again.")
    files = {
        "scores": paths.SCORES,
        "train": paths.TRAIN_REPORT,
        "data": paths.DATA_REPORT,
        "split": paths.SPLIT_REPORT,
        "card": paths.DATA_CARD,
        "search": paths.MODEL / "search.json",
        "model": paths.MODEL / "model.json",
    }
    return Facts(
        numbers={name: read_json(path) for name, path in files.items()} | {"settings": train.model_dump(mode="json")},
        histograms={name: _columns(paths.DATA_PLOTS / f"{name}.csv") for name in _HISTOGRAMS},
        journal=read_journal(paths.JOURNAL),
        outputs=outputs,
        documents=[pair.document for pair in pairs],
        hashes={path: _md5_of(path) for path in LINEAGE},
    )


def _columns(path: Path) -> dict[str, list[float]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
        return {name: [row[name] for row in rows] for name in rows[0]}
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run the validate stage.") from error
    except (TypeError, ValueError, IndexError) as error:
        raise UserError(f"{path}: not a table of numbers ({error}). Run the validate stage again.") from error


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
