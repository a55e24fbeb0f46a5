"""What travels with a registered version besides the model: on what it was judged, what it writes, where it is from."""

import contextlib
import itertools
import json
import random
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

import seq2sum
from pipeline import lineage, paths
from pipeline.decoding import decode
from pipeline.jsonfile import read_json
from pipeline.model_card import model_card
from pipeline.profile import FIELDS, profile_columns, read_columns
from seq2sum.data.pairs import read_pairs
from seq2sum.drift import MOST_DOCUMENTS, Profile
from seq2sum.errors import UserError
from seq2sum.evaluation.system_outputs import MODEL, read_outputs
from seq2sum.files import sha256_of, write_json, write_text
from seq2sum.model.folder import MODEL_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from seq2sum.summarize import SEARCH_FILE, Summarizer

FOLDER = paths.RECORD.name
OUTPUTS = "outputs.parquet"
SAMPLE = "sample.jsonl"
PROVENANCE = "provenance.json"
CARD = "card.md"
ENVIRONMENT_LOCK = "environment.lock"
PROFILE = paths.RECORD_PROFILE.name
_PROFILE_SEED = 1
# Documents whose summaries a version is verified by.
SAMPLE_DOCUMENTS = 20
# What each file of a model folder is called in provenance and tags.
MODEL_FILES = {
    "weights": WEIGHTS_FILE,
    "tokenizer": TOKENIZER_FILE,
    "config": MODEL_FILE,
    "search": SEARCH_FILE,
}


class Sample(NamedTuple):
    """A document and what the version wrote of it when it was registered."""

    document: str
    summary: str


def model_hashes(model: Path, names: Collection[str] = tuple(MODEL_FILES)) -> dict[str, str]:
    """SHA-256 of weights, tokenizer, network and search settings. Raises UserError naming the file that is missing."""
    try:
        return {f"{name}_sha256": sha256_of(model / MODEL_FILES[name]) for name in names}
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: not found. Run `dvc repro` first.") from error


def provenance(
    train_key: str, data: dict[Path, lineage.TrackedFile], signature: str, origin: dict[str, str]
) -> dict[str, Any]:
    """Where a version comes from: hashes of its files and locks, its test set, its data under their DVC hashes.

    ``origin``: the commit, and the machine that trained.
    """
    return {
        **model_hashes(paths.MODEL),
        **lineage.dvc_lock_tag(),
        **lineage.environment_lock_tag(),
        **origin,
        "train_key": train_key,
        "metric_signature": signature,
        "test_set_sha256": _judged_test_set(),
        "data": {path.as_posix(): file.md5 for path, file in sorted(data.items()) if path.parts[0] == "data"},
    }


def _judged_test_set() -> str:
    """The test split's SHA-256. Raises UserError if the recorded summaries are of another one."""
    ids = [pair.id for pair in read_pairs(paths.TEST_PAIRS)]
    if ids != list(read_outputs(paths.HYPOTHESES).ids):
        raise UserError(f"{paths.HYPOTHESES}: not of the pairs in {paths.TEST_PAIRS}. Run `dvc repro` first.")
    return sha256_of(paths.TEST_PAIRS)


@contextlib.contextmanager
def record_folder(scores: dict[str, Any], facts: dict[str, Any]) -> Iterator[Path]:
    """The record of what the stages left behind, for the length of the block. ``facts``: see :func:`provenance`."""
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        folder = Path(temporary) / FOLDER
        folder.mkdir()
        shutil.copy(paths.HYPOTHESES, folder / OUTPUTS)
        shutil.copy(paths.PARAMS, folder)
        shutil.copy(paths.DVC_LOCK, folder)
        if paths.ENVIRONMENT_LOCK.exists():
            shutil.copy(paths.ENVIRONMENT_LOCK, folder / ENVIRONMENT_LOCK)
        write_json(folder / PROVENANCE, facts)
        write_text(folder / CARD, model_card(scores, facts, read_json(paths.DATA_CARD)))
        _write_profile(folder / PROFILE)
        documents = [pair.document for pair in itertools.islice(read_pairs(paths.TEST_PAIRS), SAMPLE_DOCUMENTS)]
        summaries = decode(Path(seq2sum.__path__[0]).parent, paths.MODEL, documents)
        rows = (Sample(*row)._asdict() for row in zip(documents, summaries, strict=True))
        write_text(folder / SAMPLE, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        yield folder


def _write_profile(path: Path) -> None:
    documents = [pair.document for pair in read_pairs(paths.TEST_PAIRS)]
    summaries = read_outputs(paths.HYPOTHESES).hypotheses[MODEL]
    sampled = random.Random(_PROFILE_SEED).sample(range(len(documents)), min(len(documents), MOST_DOCUMENTS))
    columns = profile_columns(documents, summaries, Summarizer.load(paths.MODEL), sampled)
    pq.write_table(pa.table(columns, schema=pa.schema(FIELDS)), path)


def read_profile(folder: Path) -> Profile:
    """The profile in a record. Raises UserError if it is of a version from before there were any."""
    if not (folder / PROFILE).exists():
        raise UserError(
            "the version has no profile of its inputs and outputs; it was registered before there were any."
        )
    return read_columns(pq.read_table(folder / PROFILE))


def read_sample(folder: Path) -> list[Sample]:
    """The sample in a record."""
    lines = (folder / SAMPLE).read_text(encoding="utf-8").split("\n")
    return [Sample(**json.loads(line)) for line in lines if line]


def made_from(folder: Path) -> dict[str, str]:
    """What the version in a record was made from: its params but the gate's and the report's, and its data's md5s."""
    params, facts = lineage.flat_params(folder / paths.PARAMS.name), read_json(folder / PROVENANCE)
    ours = {key: value for key, value in params.items() if key.partition(".")[0] not in ("promote", "report")}
    return ours | dict(facts["data"])


def recorded_hypotheses(folder: Path) -> list[str]:
    """The summaries that the version was judged by, in the order of its test set."""
    return list(read_outputs(folder / OUTPUTS).hypotheses[MODEL])
