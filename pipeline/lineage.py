"""Where a result comes from: code, data, environment, machine and settings, as plain words for tags and params."""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from pipeline import paths
from seq2sum.errors import UserError
from seq2sum.files import sha256_of
from seq2sum.params_file import parse_yaml

# Names the page of the Prefect run that made the results, if one did; it becomes the MLflow run's tag `flow_run`.
FLOW_RUN_VARIABLE = "SEQ2SUM_FLOW_RUN"

# Stages after the training. Before they have run, dvc.lock has of them what they had read the time before.
JUDGING = ("evaluate", "report")
# How each data file served, by its place in dvc.lock.
INPUTS = {
    paths.RAW_PAIRS.parent: "source",
    paths.TRAIN_PAIRS: "training",
    paths.VAL_PAIRS: "validation",
    paths.TEST_PAIRS: "testing",
}


class TrackedFile(NamedTuple):
    """What dvc.lock says of a file or folder."""

    path: Path
    md5: str
    size_bytes: int


def code_tags() -> dict[str, str]:
    """The commit, whether the work tree's code differs from it, and whether its params do; nothing without git.

    A version's record keeps its params, so changed ones don't make it a version of unknown code. dvc.lock is left out:
    every run rewrites it, and it has a hash of its own.
    """
    sha = output_of("git", "rev-parse", "HEAD")
    if not sha:
        return {}
    status = ("git", "status", "--porcelain")
    changes = (*status, "--untracked-files=no", "--")
    code = output_of(*changes, ".", f":!{paths.DVC_LOCK}", f":!{paths.PARAMS}")
    # A module that was forgotten is missing from the commit.
    code = code or output_of(*status, "--", "src", "pipeline")
    params = output_of(*changes, str(paths.PARAMS))
    return {
        "git_sha": sha,
        "git_dirty": str(bool(code)).lower(),
        "params_changed": str(bool(params)).lower(),
        "mlflow.source.git.commit": sha,
    }


def beyond_commit(tags: Mapping[str, str]) -> str:
    """What a version with these tags has beyond its commit, to be written after that."""
    told = {"git_dirty": "uncommitted changes", "params_changed": "changed params"}
    return "".join(f" + {words}" for tag, words in told.items() if tags.get(tag) == "true")


def flow_run_tag() -> dict[str, str]:
    """The link to the flow's run that this process works for, if it does."""
    flow_run = os.environ.get(FLOW_RUN_VARIABLE)
    return {"flow_run": flow_run} if flow_run else {}


def dvc_lock_tag() -> dict[str, str]:
    """The hash of the lock file of data and results."""
    return {"dvc_lock_sha256": sha256_of(paths.DVC_LOCK)}


def environment_lock_tag() -> dict[str, str]:
    """The hash of the environment's lock file, where it has one."""
    lock = paths.ENVIRONMENT_LOCK
    return {"environment_lock_sha256": sha256_of(lock)} if lock.exists() else {}


def environment_listing() -> str:
    """Every installed distribution as name==version, a line each."""
    installed = {(dist.name.lower().replace("_", "-"), dist.version) for dist in importlib.metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(installed))


def machine_tags() -> dict[str, str]:
    """Interpreter, hash of the installed packages, processor, memory and accelerators of this machine."""
    gpus = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    return {
        "python": platform.python_version(),
        "environment_sha256": hashlib.sha256(environment_listing().encode()).hexdigest(),
        "cpu": _cpu_name(),
        "cpu_cores": str(len(os.sched_getaffinity(0))),
        # On a CPU the weights depend on it in their last bits.
        "threads": os.environ.get("SEQ2SUM_THREADS") or str(len(os.sched_getaffinity(0))),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "gpu": ", ".join(gpus) or "none",
    }


def flat_params(path: Path) -> dict[str, str]:
    """Every value of a params file, as :func:`flat` writes it."""
    return flat(parse_yaml(path.read_text(encoding="utf-8")))


def flat(params: Mapping[str, Any]) -> dict[str, str]:
    """Every value under its dotted key, as it is written in YAML (text bare, the rest as JSON)."""
    values: dict[str, str] = {}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for name, below in value.items():
                walk(f"{key}.{name}" if key else str(name), below)
        else:
            values[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    walk("", params)
    return values


def require_unchanged(params: Path, lock: Path) -> None:
    """Raises UserError naming params' sections, or code, that changed since the results in dvc.lock were made."""
    now = parse_yaml(params.read_text(encoding="utf-8"))
    stages = parse_yaml(lock.read_text(encoding="utf-8"))["stages"].values()
    then = {key: value for stage in stages for key, value in stage.get("params", {}).get(params.name, {}).items()}
    if changed := [section for section, value in then.items() if now.get(section) != value]:
        raise UserError(f"{params}: {', '.join(changed)} changed since the results were made. Run `dvc repro` first.")
    for path, file in tracked_files(lock).items():
        if path.suffix == ".py" and not (path.is_file() and md5_of_file(path) == file.md5):
            raise UserError(f"{path} changed since the results were made. Run `dvc repro` first.")


def md5_of_file(path: Path) -> str:
    """As DVC writes it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tracked_files(lock: Path, without: Collection[str] = ()) -> dict[Path, TrackedFile]:
    """All files and folders that dvc.lock has a hash of, those of the stages ``without`` left out.

    Raises UserError if the file is missing or no lock file.
    """
    try:
        stages = parse_yaml(lock.read_text(encoding="utf-8"))["stages"]
        wanted = [stage for name, stage in stages.items() if name not in without]
        entries = [entry for stage in wanted for kind in ("deps", "outs") for entry in stage.get(kind, [])]
        files = [TrackedFile(Path(entry["path"]), entry["md5"], entry["size"]) for entry in entries if "md5" in entry]
    except FileNotFoundError as error:
        raise UserError(f"{lock}: not found. Run `dvc repro` first.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{lock}: not a DVC lock file ({error}). Run `dvc repro` to write it anew.") from error
    return {file.path: file for file in files}


def data_inputs(tracked: Mapping[Path, TrackedFile]) -> list[tuple[str, TrackedFile]]:
    """The data files among them, each with what it served for."""
    return [(served, tracked[path]) for path, served in INPUTS.items() if path in tracked]


def folder_fingerprint(folder: Path, without: Collection[str] = ()) -> str:
    """SHA-256 over the names and contents of a folder's files, those named ``without`` left out.

    Raises UserError if there are none.
    """
    found = folder.rglob("*") if folder.is_dir() else []
    files = sorted(path for path in found if path.is_file() and path.name not in without)
    if not files:
        raise UserError(f"{folder}: no model here. Run `dvc repro` first.")
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def output_of(*command: str) -> str:
    """A command's standard output, or nothing where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
