"""Kills a training at random moments and compares hashes: `make kills KILLS=20`.

A small project trains under `dvc repro` without interruption; then a copy of it does, where dvc, the trainer or both
are killed with SIGKILL at random moments, and the same command goes on each time. Exit status 1 if any file differs.
"""

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.behaviour.corpus import make_project, set_params
from tests.behaviour.test_pipeline import environment, repro

COMPARED = (
    "models/summarizer/model.safetensors",
    "reports/journal.jsonl",
    "reports/hypotheses.parquet",
    "reports/metrics.json",
)
TIMES = {"wall_seconds", "tokens_per_second"}
VICTIMS = ("dvc", "trainer", "both")
TRAINER = "pipeline.stages.train"
REPRO = [sys.executable, "-m", "dvc", "repro"]
# Of steps of some 10 ms each, so that a kill can meet any part of them.
STEPS = 4000
# How long after its start, imports included, a trainer is killed at the latest, in the uninterrupted training's time.
LONGEST_WAIT = 0.15
LONGEST_END = 120.0  # seconds in which a trainer without a starter ends, on a busy machine


def trainers(project: Path) -> list[psutil.Process]:
    """The processes that train in ``project``."""
    found = []
    for process in psutil.process_iter():
        try:
            if TRAINER in process.cmdline() and Path(process.cwd()) == project:
                found.append(process)
        except psutil.Error:
            continue
    return found


def newest_step(project: Path) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    steps = [int(path.stem.split("-")[1]) for path in project.glob(".cache/checkpoints/*/step-*.json")]
    return max(steps, default=0)


def kill_once(project: Path, rng: random.Random, longest_wait: float, most_steps: int) -> str | None:
    """Starts the pipeline, waits for a trainer and a random time, and kills; what it did, or None if all was over.

    A trainer that is ``most_steps`` further is killed before its time, so that something is left for the next kill.
    """
    output = subprocess.DEVNULL
    dvc = subprocess.Popen(REPRO, cwd=project, env=environment(project), stdout=output, stderr=output)
    start = newest_step(project)
    while not (training := trainers(project)):
        if dvc.poll() is not None:
            return None
        time.sleep(0.02)
    deadline = time.monotonic() + rng.uniform(0, longest_wait)
    while time.monotonic() < deadline and newest_step(project) < start + most_steps:
        time.sleep(rng.uniform(0, 0.05))
    victim = rng.choice(VICTIMS)
    if dvc.poll() is not None:
        return None
    if victim != "trainer":
        dvc.send_signal(signal.SIGKILL)
    if victim != "dvc":
        for process in training:
            if process.is_running():
                process.kill()
    dvc.wait()
    _, left = psutil.wait_procs(training, timeout=LONGEST_END)
    assert not left, "the trainer outlives its starter"
    return f"killed {victim:<8} went on from step {start:>5,}, newest checkpoint now {newest_step(project):>5,}"


def digest(project: Path, name: str) -> str:
    """SHA-256 of a file that the pipeline wrote; of the metrics without the time that training took."""
    content = (project / name).read_bytes()
    if name.endswith("metrics.json"):
        metrics = json.loads(content)
        content = json.dumps({key: metrics[key] for key in sorted(metrics.keys() - TIMES)}).encode()
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Trains twice, kills in the second training, and prints the hashes side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name).resolve() / "whole", Path(name).resolve() / "killed"
        make_project(whole, 120)
        set_params(whole, {"train.max_steps": STEPS, "train.patience": STEPS, "train.validate_every": 100})
        shutil.copytree(whole, killed)
        done = repro(whole)
        assert done.returncode == 0, done.stdout + done.stderr
        seconds = json.loads((whole / "reports/train.json").read_bytes())["wall_seconds"]
        print(f"trained {STEPS:,} steps in {seconds:.0f} s without interruption", flush=True)
        for number in range(1, arguments.kills + 1):
            line = kill_once(killed, rng, LONGEST_WAIT * seconds, STEPS // (2 * arguments.kills))
            print(f"{number:>3}  {line or 'the pipeline was over'}", flush=True)
            if line is None:
                break
        done = repro(killed)
        assert done.returncode == 0, done.stdout + done.stderr
        same = True
        for compared in COMPARED:
            left, right = digest(whole, compared), digest(killed, compared)
            same &= left == right
            print(f"{compared}\n  uninterrupted {left}\n  killed        {right}")
    print("all are the same" if same else "THEY DIFFER")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
