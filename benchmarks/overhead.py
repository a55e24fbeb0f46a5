"""What DVC and tracking add to a training: ``pipeline_overhead`` of the benchmark.

The default params train for some steps, once as ``dvc repro`` runs the stage, with live curves to MLflow, and once as
the bare stage without them, each in a copy of the project of its own. What counts is the time that a user waits: the
curves are drawn by a process beside the training.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import paths

NUM_STEPS, ROUNDS = 200, 3
COPIED = ("pipeline", "src", "requirements", "params.yaml", "dvc.yaml", "data")


def pipeline_overhead() -> dict[str, float | str]:
    """The line of the results. Needs what ``dvc repro encode`` makes."""
    rounds = [
        (
            _seconds([sys.executable, "-m", "pipeline.stages.train"], {"SEQ2SUM_TRACKING": "off"}),
            _seconds(["dvc", "repro", "--single-item", "train"], {}),
        )
        for _ in range(ROUNDS)
    ]
    bare, full = (min(seconds) for seconds in zip(*rounds, strict=True))
    return {
        "ours": round(full, 2),
        "peer": round(bare, 2),
        "ratio": round(full / bare, 3),
        "unit": f"seconds for {NUM_STEPS} steps on one thread, tracked by DVC and MLflow; the peer is the bare stage",
    }


def copy_project(project: Path, num_steps: int) -> None:
    """What a training of the default params needs, in the folder ``project``, with so many steps and no pretraining."""
    for name in COPIED:
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy
        copy(name, project / name)
    yaml = YAML()
    content = yaml.load(project / paths.PARAMS)
    content["train"]["pretrain"]["max_steps"], content["train"]["max_steps"] = 0, num_steps
    yaml.dump(content, project / paths.PARAMS)


def _seconds(command: list[str], changes: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        copy_project(project, NUM_STEPS)
        subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=project, check=True)
        tracking = {"MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db"}
        environment = os.environ | {"OMP_NUM_THREADS": "1", "SEQ2SUM_THREADS": "1", "PYTHONPATH": ".:src"}
        start = time.perf_counter()
        subprocess.run(command, cwd=project, env=environment | tracking | changes, check=True)
        return time.perf_counter() - start
