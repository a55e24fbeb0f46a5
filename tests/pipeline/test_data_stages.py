"""The stages between ingest and training, on twenty made-up pairs."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline import paths
from pipeline.stages.encode import encode
from pipeline.stages.runner import run_stage
from pipeline.stages.split import split
from pipeline.stages.train_tokenizer import train_tokenizer
from pipeline.stages.validate import validate
from seq2sum.config import Params
from seq2sum.data.encoded import EncodedPairs, read_info
from seq2sum.data.overlap import words
from seq2sum.data.pairs import SPLITS, Pair, Split, read_pairs, write_pairs
from seq2sum.data.tokenizer import Tokenizer

REPO = Path(__file__).parents[2]
STAGES: dict[str, Callable[[Params], None]] = {
    "validate": validate,
    "split": split,
    "train_tokenizer": train_tokenizer,
    "encode": encode,
}
VOCABULARY = words(
    "River, stone, bridge; north, quiet, market; corner, tall, lamp; winter, road, open; garden, small, gate"
)


def make_pair(number: int, own_split: Split | None = None) -> Pair:
    rng = random.Random(number)
    document = f"Report {number}: " + " ".join(rng.choice(VOCABULARY) for _ in range(25)) + "."
    return Pair(f"id{number}", f"group{number // 2}", document, f"{rng.choice(VOCABULARY)} report", own_split)


PAIRS = [make_pair(number) for number in range(20)]
BAD = [
    replace(PAIRS[0], id="again"),
    replace(make_pair(21), summary=""),
    replace(make_pair(22), document="too short"),
]
ALL_SPLITS: list[Split] = ["train", "train", "val", "test"]


def write_params(**changes: dict[str, Any]) -> None:
    params = yaml.safe_load((REPO / "params.yaml").read_text())
    params["split"] |= {"val_share": 0.25, "test_share": 0.25}
    params["train_tokenizer"] |= {"vocab_size": 300}
    for section, values in changes.items():
        params[section] |= values
    paths.PARAMS.write_text(yaml.safe_dump(params))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2SUM_WORKERS", "1")
    write_params()
    return tmp_path


def run(*names: str) -> None:
    for name in names:
        run_stage(name, STAGES[name])


def run_on(pairs: Iterable[Pair], *names: str) -> None:
    write_pairs(paths.RAW_PAIRS, pairs)
    run(*names)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all four stages have run on the good pairs."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SEQ2SUM_WORKERS", "1")
        write_params()
        run_on(PAIRS, *STAGES)
    return folder


def failure(capsys: pytest.CaptureFixture[str], name: str) -> str:
    """The message of a stage that must fail with status 2."""
    with pytest.raises(SystemExit) as caught:
        run(name)
    assert caught.value.code == 2
    return capsys.readouterr().err.split(f"{name} failed: ")[1]


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_the_stages_run_as_commands_and_leave_nothing_elsewhere(project: Path, tmp_path_factory: Any) -> None:
    home = tmp_path_factory.mktemp("home")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPO / 'src'}:{REPO}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "SEQ2SUM_WORKERS": "2",
    }
    write_pairs(paths.RAW_PAIRS, PAIRS + BAD)
    for name in STAGES:
        command = [sys.executable, "-m", f"pipeline.stages.{name}"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("  ")
    assert [path for path in home.rglob("*") if path.is_file()] == []
    found = {name.split("/data-0000")[0] for name in files()}
    assert found == {
        "params.yaml",
        "data/raw/pairs.parquet",
        "data/valid/pairs.parquet",
        "data/valid/quarantine.parquet",
        "data/split/train.parquet",
        "data/split/val.parquet",
        "data/split/test.parquet",
        "data/tokenizer/tokenizer.json",
        "data/encoded/info.json",
        "data/encoded/pretrain",
        "data/encoded/pretrain/dataset_info.json",
        "data/encoded/pretrain/state.json",
        "data/encoded/train",
        "data/encoded/train/dataset_info.json",
        "data/encoded/train/state.json",
        "data/encoded/val",
        "data/encoded/val/dataset_info.json",
        "data/encoded/val/state.json",
        "reports/data.json",
        "reports/data_plots/document_words.csv",
        "reports/data_plots/summary_words.csv",
        "reports/data_plots/novelty.csv",
        "reports/split.json",
    }
    by_command = files()
    run(*STAGES)
    assert files() == by_command


def test_validate_keeps_good_pairs_in_order_and_says_why_others_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    run_on(PAIRS[:10] + BAD + PAIRS[10:], "validate")
    assert list(read_pairs(paths.VALID_PAIRS)) == PAIRS
    quarantine = pq.read_table(paths.QUARANTINE).to_pylist()
    assert {row["id"]: row["reason"] for row in quarantine} == {
        "again": "exact_duplicate",
        "id21": "empty",
        "id22": "document_too_short",
    }
    report = json.loads(paths.DATA_REPORT.read_text())
    counts = {"accepted": 20, "exact_duplicate": 1, "empty": 1, "document_too_short": 1}
    assert report["num_pairs"] == {"all": counts}
    assert report["measures"]["document_words"]["mean"] == 27
    assert "exact_duplicate" in capsys.readouterr().out


def test_the_plots_of_dvc_name_files_and_columns_that_validate_writes() -> None:
    run_on(PAIRS, "validate")
    plots = [content for entry in yaml.safe_load((REPO / "dvc.yaml").read_text())["plots"]
             if isinstance(entry, dict) for content in entry.values()]  # fmt: skip
    mine = [plot for plot in plots if any(str(paths.DATA_PLOTS) in file for file in plot["y"])]
    assert {Path(file).name for plot in mine for file in plot["y"]} == {
        path.name for path in paths.DATA_PLOTS.iterdir()
    }
    for plot in mine:
        for file, columns in plot["y"].items():
            table = pd.read_csv(file)
            named = [columns] if isinstance(columns, str) else columns
            assert list(table.columns) == [plot["x"], *named]
            # Every pair once, but for summaries that are too short to have such an n-gram.
            least = {f"novel_{n}_grams": n for n in (1, 2, 3)}
            long_enough = [sum(len(pair.summary.split()) >= least.get(name, 1) for pair in PAIRS) for name in named]
            assert table[named].sum().tolist() == long_enough


def test_too_many_rejects_fail_with_a_table_and_the_rejected_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    write_params(validate={"max_reject_share": 0.1})
    write_pairs(paths.RAW_PAIRS, PAIRS + BAD)
    message = failure(capsys, "validate")
    assert "13.0% of the 23 pairs are rejected; validate.max_reject_share in params.yaml allows 10.0%" in message
    assert [line.split() for line in message.splitlines() if "empty" in line] == [["empty", "1"]]
    assert "data/rejected.parquet holds them" in message
    assert pq.read_table(paths.REJECTED)["id"].to_pylist() == ["again", "id21", "id22"]
    assert not paths.VALID_PAIRS.exists()
    assert not paths.DATA_REPORT.exists()
    write_params()
    run("validate")
    assert not paths.REJECTED.exists()


def test_a_source_without_a_good_pair_fails(capsys: pytest.CaptureFixture[str]) -> None:
    write_params(validate={"max_reject_share": 1.0})
    write_pairs(paths.RAW_PAIRS, BAD[1:])
    assert "100.0% of the 2 pairs are rejected" in failure(capsys, "validate")
    write_pairs(paths.RAW_PAIRS, [])
    assert "0.0% of the 0 pairs" in failure(capsys, "validate")


def test_split_divides_every_pair_once_and_in_order() -> None:
    run_on(PAIRS, "validate", "split")
    tables = {name: list(read_pairs(paths.SPLITS / f"{name}.parquet")) for name in SPLITS}
    for pairs in tables.values():
        assert pairs == [pair for pair in PAIRS if pair in pairs]
    assert sorted(pair.id for pairs in tables.values() for pair in pairs) == sorted(pair.id for pair in PAIRS)
    groups = [{pair.group for pair in pairs} for pairs in tables.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    report = json.loads(paths.SPLIT_REPORT.read_text())
    assert report["num_pairs"] == {name: len(pairs) for name, pairs in tables.items()}


def test_split_honours_the_sources_own(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [replace(pair, group=pair.id, split=ALL_SPLITS[n % 4]) for n, pair in enumerate(PAIRS)]
    leak = replace(pairs[3], id="leak", group="leak", split="train")
    run_on([leak, *pairs], "validate", "split")
    assert [pair.id for pair in read_pairs(paths.TEST_PAIRS)] == [pair.id for pair in pairs[3::4]]
    assert [pair.id for pair in read_pairs(paths.VAL_PAIRS)] == [pair.id for pair in pairs[2::4]]
    assert "leak" not in {pair.id for pair in read_pairs(paths.TRAIN_PAIRS)}
    assert json.loads(paths.SPLIT_REPORT.read_text())["removed"]["exact_duplicate"] == 1


def test_an_empty_split_fails_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    write_params(split={"test_share": 0.0})
    run_on(PAIRS, "validate")
    assert "test would be empty: of 20 pairs" in failure(capsys, "split")
    assert not paths.SPLITS.exists()


def test_the_vocabulary_is_learnt_from_train_alone() -> None:
    run_on(PAIRS, "validate", "split", "train_tokenizer")
    content = paths.TOKENIZER.read_bytes()
    for path in (paths.VAL_PAIRS, paths.TEST_PAIRS):
        write_pairs(path, [replace(PAIRS[0], document="quite other text " * 50)])
    run("train_tokenizer")
    assert paths.TOKENIZER.read_bytes() == content
    write_pairs(paths.TRAIN_PAIRS, [replace(PAIRS[0], summary="quite other text " * 50)])
    run("train_tokenizer")
    assert paths.TOKENIZER.read_bytes() != content


def test_encode_writes_what_training_reads(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    tokenizer = Tokenizer.load(paths.TOKENIZER)
    train = list(read_pairs(paths.TRAIN_PAIRS))
    encoded = EncodedPairs.open(paths.ENCODED / "train")
    assert tokenizer.decode(encoded.targets(np.array([0]))[0]) == train[0].summary
    assert len(encoded) == len(train)
    assert len(EncodedPairs.open(paths.ENCODED / "val")) == read_info(paths.ENCODED)["splits"]["val"]["num_pairs"]
    assert read_info(paths.ENCODED)["vocab_size"] == tokenizer.vocab_size


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("validate", paths.RAW_PAIRS),
        ("split", paths.VALID_PAIRS),
        ("train_tokenizer", paths.TRAIN_PAIRS),
        ("encode", paths.VAL_PAIRS),
        ("encode", paths.TOKENIZER),
    ],
)
def test_a_missing_or_damaged_input_is_named_and_outputs_stay(
    project: Path, finished: Path, capsys: pytest.CaptureFixture[str], stage: str, path: Path
) -> None:
    shutil.copytree(finished, project, dirs_exist_ok=True)
    before = files()
    content = path.read_bytes()
    for damage, problem in ((b"", ""), (content[: len(content) // 2], ""), (None, "not found")):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        message = failure(capsys, stage)
        assert message.startswith(f"{path}: {problem}")
        path.write_bytes(content)
        assert files() == before


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_bad_number_of_workers_is_named(
    project: Path, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    shutil.copytree(finished, project, dirs_exist_ok=True)
    before = files()
    monkeypatch.setenv("SEQ2SUM_WORKERS", value)
    assert failure(capsys, "encode").startswith(f"SEQ2SUM_WORKERS={value}: ")
    assert files() == before


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("split", {"val_share": 0.5, "test_share": 0.5}, "split: .*leave nothing for train"),
        ("split", {"val_share": 1.5}, "split.val_share: "),
        ("validate", {"near_duplicate_similarity": 0.0}, "validate.near_duplicate_similarity: "),
        ("train_tokenizer", {"vocab_size": 200}, "train_tokenizer.vocab_size: "),
        ("encode", {"max_source_tokens": 0}, "encode.max_source_tokens: "),
    ],
)
def test_bad_params_are_named(
    capsys: pytest.CaptureFixture[str], section: str, changes: dict[str, Any], message: str
) -> None:
    write_params(**{section: changes})
    assert re.search(message, failure(capsys, section))
