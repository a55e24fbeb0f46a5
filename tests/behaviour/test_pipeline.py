"""The whole pipeline as a user runs it: `dvc repro` in a copy of the project, over a corpus of made-up pairs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.behaviour.corpus import make_project, set_params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, run once."""
    folder = tmp_path_factory.mktemp("project")
    make_project(folder, 120)
    done = repro(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}:{folder}",
        "SEQ2SUM_TRACKING": "off", "SEQ2SUM_THREADS": "1", "OMP_NUM_THREADS": "1", "SEQ2SUM_DEVICE": "cpu",
    }  # fmt: skip


def repro(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=1500
    )


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]


def run_module(folder: Path, module: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of `python -m`."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def commit(folder: Path) -> None:
    for arguments in (["add", "-A"], ["-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


def outcome(folder: Path) -> dict[str, bytes]:
    """What a training leaves, its time apart."""
    names = ("models/summarizer/model.safetensors", "reports/journal.jsonl", "reports/hypotheses.parquet")
    return {name: (folder / name).read_bytes() for name in names}


def test_every_stage_leaves_what_it_promises(project: Path) -> None:
    scores = json.loads((project / "reports/scores.json").read_text())
    assert set(scores["systems"]) == {"model", "lead", "first_sentence", "random", "oracle"}
    assert set(scores["paired"]) == set(scores["systems"]["model"]) == {"rouge1", "rouge2", "rougeL", "rougeLsum"}
    assert {"wall_seconds", "tokens_per_second", "num_parameters"} <= set(scores["train"])
    for mean, low, high in scores["systems"]["model"].values():
        assert 0 <= low <= mean <= high <= 100
    assert scores["num_pairs"] == json.loads((project / "reports/split.json").read_text())["num_pairs"]["test"]
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    for stage in lock.values():
        assert all((project / entry["path"]).exists() for entry in stage["outs"])


def test_nothing_runs_again_but_what_a_change_touches(project: Path) -> None:
    assert stages_run(repro(project)) == ["locate"]
    set_params(project, {"evaluate.search.beam_size": 2})
    assert stages_run(repro(project)) == ["locate", "evaluate", "report"]


def test_killed_with_its_dvc_the_training_goes_on_to_the_same_result(project: Path) -> None:
    whole = outcome(project)
    shutil.rmtree(project / ".cache/checkpoints")

    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "train"]
    process = subprocess.Popen(
        command, cwd=project, env=environment(project), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(project.glob(".cache/checkpoints/*/step-*[1-9]*-???.json")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, orphans = psutil.wait_procs(children, timeout=20)
    assert not orphans, "the trainer outlives its starter"

    done = repro(project, "--force", "--single-item", "train")
    assert stages_run(done) == ["train"]
    # Not its end: then the orphan would have gone on.
    assert int(re.search(r"train: on from step (\d+)", done.stderr)[1]) < 100
    resumed = json.loads((project / "reports/train.json").read_text())
    assert resumed["steps"] == 100
    assert stages_run(repro(project))[0] == "locate"
    assert outcome(project) == whole


def test_a_registered_version_is_made_again_from_its_commit_and_locks(project: Path) -> None:
    commit(project)
    status, output = run_module(project, "pipeline.publish")
    assert status == 0, output
    status, output = run_module(project, "pipeline.reproduce", "champion")
    assert (status, "the weights are the same" in output) == (0, True), output
    assert not list((project / ".cache/reproduce").iterdir())

    # Without the data in a cache the stages make it anew. Here the commit does not hold all that was trained on.
    pairs = project / "pairs.jsonl"
    pairs.write_text(pairs.read_text().replace("tree", "branch"))
    assert "train" in stages_run(repro(project))
    status, output = run_module(project, "pipeline.publish")
    assert status == 0, output
    shutil.rmtree(project / ".dvc/cache")
    status, output = run_module(project, "pipeline.reproduce", "challenger")
    assert (status, "the weights differ" in output) == (1, True), output
    assert "data/split/train.parquet: md5" in output
    assert "code: the work tree had changes" in output
