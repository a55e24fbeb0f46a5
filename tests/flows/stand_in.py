"""A project that the flows run as they run the real one, whose training, publishing and judging take no time to load.

Its training is a chain of hashes, a link a step, with checkpoints: only all the steps in their order end in the right
hash. Its validation loss falls towards its seed. It is supervised as the real one is.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.behaviour.corpus import ROOT
from tests.demonstration.registry import commit
from tests.pipeline.tracking.project import make_scores

NUM_STEPS = 60
PREPARE = """
from pathlib import Path
Path("data").mkdir(exist_ok=True)
Path("data/prepared").write_text("prepared")
"""
TRAIN = f"""
import hashlib, json, os, signal, sys, time
from pathlib import Path
from pipeline.stages.runner import run_stage
from pipeline.supervision import exclusive, stop_when_asked

def train(params):
    should_stop = stop_when_asked()
    folder = Path(f".cache/checkpoints/{{params.train.seed}}")
    with exclusive(folder):
        checkpoint = folder / "state.json"
        step, state = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, "")
        with (folder / "starts").open("a") as starts:
            starts.write(f"{{step}}\\n")
        while step < {NUM_STEPS}:
            if should_stop():
                sys.exit(128 + signal.SIGTERM)
            time.sleep(0.1)
            step += 1
            state = hashlib.sha256(f"{{state}} {{step}}".encode()).hexdigest()
            values = {{"train/loss": 1.0}}
            if step % 6 == 0:
                values["validation/loss"] = params.train.seed + 6 / step
            line = {{"step": step, "phase": "likelihood", "values": values}}
            with (folder / "journal.jsonl").open("a") as journal:
                journal.write(json.dumps(line) + "\\n")
            beside = folder / "state.part"
            beside.write_text(json.dumps([step, state]))
            beside.replace(checkpoint)
        Path("models").mkdir(exist_ok=True)
        Path("models/result").write_text(state)
        Path("reports/journal.jsonl").write_text((folder / "journal.jsonl").read_text())

run_stage("train", train)
"""
# Publishing again what was published changes nothing.
PUBLISH = """
import json, sys
from pathlib import Path
result, registry = Path("models/result").read_text(), Path(".cache/registry")
registry.mkdir(exist_ok=True)
(registry / result).touch()
number = sorted(registry.iterdir()).index(registry / result) + 1
print(json.dumps({"run_id": "r", "page": "http://127.0.0.1/run", "is_new": True, "name": "m", "version": str(number)}))
"""
PROMOTE = """
import json, sys
print(json.dumps({"decision": "keep", "challenger": sys.argv[1], "champion": "1", "reasons": ["no gain"],
                  "report": None, "kept": None}, indent=2))
sys.exit(1)
"""
CODE = {"stages/prepare": PREPARE, "stages/train": TRAIN, "publish": PUBLISH, "promote": PROMOTE}
DVC = {
    "stages": {
        "prepare": {"cmd": "python -m pipeline.stages.prepare", "outs": ["data/prepared"]},
        "train": {
            "cmd": "python -m pipeline.stages.train",
            "params": ["train.seed"],
            "deps": ["data/prepared"],
            "outs": ["models/result", "reports/journal.jsonl"],
        },
    }
}


def expected_result() -> str:
    """What a training ends in that nothing interrupts."""
    state = ""
    for step in range(1, NUM_STEPS + 1):
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
    return state


def make_stand_in(folder: Path) -> None:
    """Makes the project in ``folder`` and commits it."""
    folder.mkdir()
    for name in ("params.yaml", "prefect.yaml", "tune.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "config.local")
    for name in ("pipeline", "src", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "dvc.yaml").write_text(yaml.safe_dump(DVC, sort_keys=False))
    for name, code in (
        ("stages/prepare", PREPARE),
        ("stages/train", TRAIN),
        ("publish", PUBLISH),
        ("promote", PROMOTE),
    ):
        (folder / f"pipeline/{name}.py").write_text(code)
    reports = folder / "reports"
    (reports / "plots").mkdir(parents=True)
    (reports / "scores.json").write_text(json.dumps(make_scores()))
    (reports / "samples.jsonl").write_text(json.dumps({"document": "d", "reference": "r", "hypothesis": "h"}) + "\n")
    (reports / "plots/curves.png").write_bytes(b"\x89PNG")
    ignored = (
        "/.cache/",
        "/.cache",
        "/data/",
        "/models/",
        "/reports/journal.jsonl",
        "__pycache__/",
        "/mlflow.db",
        "/mlartifacts",
    )
    (folder / ".gitignore").write_text("\n".join(ignored) + "\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    remote = ["remote", "add", "--quiet", "--default", "store", str(folder / ".cache/remote")]
    subprocess.run([sys.executable, "-m", "dvc", *remote], cwd=folder, check=True)
    commit(folder, "a stand-in")
