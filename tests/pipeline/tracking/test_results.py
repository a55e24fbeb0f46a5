"""What `publish` reads before it sends anything."""

import hashlib
from pathlib import Path

import pytest
import yaml

from pipeline import publish
from pipeline.lineage import require_unchanged
from seq2sum.errors import UserError


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("reports/train.json", None, "train.json: not found"),
        ("reports/train.json", "{", "train.json: not JSON"),
        ("reports/train.json", "[]", "train.json: expected a JSON object"),
        ("reports/train.json", "{}", "train.json: has no 'train_key'"),
        ("reports/scores.json", "{}", "scores.json: has no 'systems'"),
        ("reports/journal.jsonl", "x\n", "journal.jsonl:1: "),
        ("models/summarizer/search.json", None, "search.json: not found"),
        ("dvc.lock", None, "dvc.lock: not found"),
        ("dvc.lock", "stages: 3", "dvc.lock: not a DVC lock file"),
        ("params.yaml", "train: {}", "params.yaml: "),
    ],
)
def test_a_missing_or_broken_result_is_named(project: Path, path: str, content: str | None, message: str) -> None:
    if content is None:
        (project / path).unlink()
    else:
        (project / path).write_text(content)
    with pytest.raises(UserError, match=message):
        publish.read_results()


def test_params_that_changed_after_the_results_are_refused(project: Path) -> None:
    params = project / "params.yaml"
    values = yaml.safe_load(params.read_text())
    values["evaluate"]["search"]["beam_size"] += 1
    params.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"params\.yaml: evaluate changed since the results were made.*dvc repro"):
        publish.read_results()


def test_a_small_rate_is_no_change_though_dvc_writes_it_in_its_own_way(tmp_path: Path) -> None:
    params, lock = tmp_path / "params.yaml", tmp_path / "dvc.lock"
    params.write_text("train: {learning_rate: 1.0e-07}\n")
    lock.write_text("stages: {train: {params: {params.yaml: {train: {learning_rate: 1e-07}}}}}\n")
    require_unchanged(params, lock)


def test_code_that_changed_after_the_results_is_refused(project: Path) -> None:
    (project / "stage.py").write_text("print(1)\n")
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    lock["stages"]["encode"]["deps"].append(
        {"path": "stage.py", "md5": hashlib.md5(b"print(1)\n").hexdigest(), "size": 9}
    )
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    publish.read_results()
    (project / "stage.py").write_text("print(2)\n")
    with pytest.raises(UserError, match=r"stage\.py changed since the results were made"):
        publish.read_results()
