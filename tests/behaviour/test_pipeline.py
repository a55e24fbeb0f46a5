"""The whole pipeline as a user runs it: `dvc repro` in a copy of the project, over a corpus of made-up pairs."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOUNS = [
    "tree",
    "graph",
    "table",
    "server",
    "map",
    "clock",
    "mail",
    "photo",
    "file",
    "note",
    "song",
    "game",
    "lamp",
    "road",
    "ship",
]
VERBS = ["draw", "sort", "read", "send", "find", "show", "count", "hide", "move", "keep"]


def made_up_pair(rng: random.Random) -> dict[str, str]:
    noun, verb, where, other = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(NOUNS), rng.choice(NOUNS)
    words = " ".join(rng.choice(NOUNS) for _ in range(12))
    return {"text": f"This tool can {verb} every {noun} by {where}. It needs no {other} and knows {words}.",
            "title": f"{verb} {noun} by {where}"}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, run once."""
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    done = repro(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def make_project(folder: Path) -> None:
    """A copy of the project with small settings and 120 pairs."""
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "pipeline", "study", ".dvc"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    with (folder / "pairs.jsonl").open("w") as stream:
        rng = random.Random(1)
        stream.writelines(json.dumps(made_up_pair(rng)) + "\n" for _ in range(120))
    set_params(
        folder,
        {
            "ingest.source": {
                "kind": "files", "paths": {"all": ["pairs.jsonl"]}, "document": "text", "summary": "title",
                "id": None, "group": None,
            },
            "validate.min_document_words": 5, "split.near_duplicate_similarity": 1.0, "train_tokenizer.vocab_size": 400,
            "train.model.embedding_size": 16, "train.model.encoder_size": 16, "train.model.decoder_size": 24,
            "train.max_steps": 60, "train.batch_tokens": 600, "train.validate_every": 20, "train.checkpoint_every": 10,
            "train.pretrain.max_steps": 20, "train.reward.max_steps": 20, "train.log_every": 5,
            "train.warmup_steps": 10, "evaluate.bootstrap_samples": 200,
            "evaluate.search.max_tokens": 12,
        },
    )  # fmt: skip
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def set_params(folder: Path, changes: dict[str, object]) -> None:
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for path, value in changes.items():
        *sections, key = path.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[key] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


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
    assert stages_run(repro(project)) == ["locate", "evaluate"]


def test_killed_with_its_dvc_the_training_goes_on_to_the_same_result(project: Path) -> None:
    set_params(project, {"train.max_steps": 300})
    assert "train" in stages_run(repro(project))
    whole = outcome(project)
    shutil.rmtree(project / ".cache/checkpoints")

    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "train"]
    process = subprocess.Popen(
        command, cwd=project, env=environment(project), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(project.glob(".cache/checkpoints/*/step-*.json")):
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
    resumed = json.loads((project / "reports/train.json").read_text())
    assert resumed["steps"] == 340
    assert stages_run(repro(project))[0] == "locate"
    assert outcome(project) == whole
