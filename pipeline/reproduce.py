"""Makes a registered version's weights again: its commit in a clean work tree, its dvc.lock, its data, its settings."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import lineage, paths, record
from pipeline.jsonfile import read_json
from pipeline.tracking import connection, registry
from seq2sum.errors import UserError
from seq2sum.files import sha256_of

DVC_CONFIG = Path(".dvc/config.local")
# What the train stage writes; the search settings are the evaluate stage's.
TRAINED = ("weights", "tokenizer", "config")
# So wide that DVC breaks no line of a list.
_COLUMNS = "10000"
# A line of `dvc remote list`: name and folder of a remote that is one.
_FOLDER_REMOTE = re.compile(r"^(\S+)\s+(/.*?)(?:\s+\(default\))?$", re.MULTILINE)


class Reproduction(NamedTuple):
    """Whether the weights are the same, and a line for each thing that differs. ``folder``: the work tree, if kept."""

    same: bool
    differences: list[str]
    folder: Path | None


def reproduce(name: str, *, keep: bool = False, pull_only: bool = False) -> Reproduction:
    """Trains the version anew, on the data that its dvc.lock names: from DVC's cache or remote, else made anew too.

    With ``pull_only`` the weights themselves are fetched, not trained. Nothing of the present work tree is touched.
    Raises UserError if the version is not there or was changed, or if its commit or a step fails.
    """
    client = connection.connect()
    with connection.mlflow_errors(), tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        version = registry.find_named(client, name)
        about = registry.fetch(version, Path(temporary)) / "artifacts" / record.FOLDER
        facts = read_json(about / record.PROVENANCE)
        if "git_sha" not in facts:
            raise UserError(f"version {version.number} was registered outside of git; its code is not known.")
        tree = Path.cwd() / ".cache/reproduce" / f"{version.name}-{version.number}"
        _add_tree(tree, facts["git_sha"])
        try:
            _restore(tree, about)
            _make(tree, facts, pull_only)
            made = record.model_hashes(tree / paths.MODEL, TRAINED)
            differences = list(_differences(tree, about, facts, made))
        finally:
            if not keep:
                _remove_tree(tree)
    same = made["weights_sha256"] == facts["weights_sha256"]
    return Reproduction(same, differences, tree if keep else None)


def _add_tree(tree: Path, sha: str) -> None:
    _remove_tree(tree)
    done = subprocess.run(
        ["git", "worktree", "add", "--quiet", "--force", "--detach", str(tree), sha],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UserError(f"commit {sha[:10]} is not to be had here: {done.stderr.strip()}. Fetch it with git first.")


def _remove_tree(tree: Path) -> None:
    subprocess.run(["git", "worktree", "remove", "--force", str(tree)], capture_output=True, check=False)
    shutil.rmtree(tree, ignore_errors=True)


def _restore(tree: Path, about: Path) -> None:
    """Puts the version's dvc.lock and params in place, and lets DVC use this project's cache and remotes."""
    shutil.copy(about / paths.DVC_LOCK, tree)
    shutil.copy(about / paths.PARAMS, tree)
    if DVC_CONFIG.exists():
        shutil.copy(DVC_CONFIG, tree / DVC_CONFIG)
    cache = _dvc(Path.cwd(), {}, "cache", "dir")
    _dvc(tree, {}, "cache", "dir", "--local", cache.strip().splitlines()[-1])
    # A folder that the configuration names relative to itself would be another one from there.
    for name, folder in re.findall(_FOLDER_REMOTE, _dvc(Path.cwd(), {}, "remote", "list")):
        _dvc(tree, {}, "remote", "modify", "--local", name, "url", folder)


def _make(tree: Path, facts: dict[str, str], pull_only: bool) -> None:
    environment = {
        "PYTHONPATH": f"{tree / 'src'}:{tree}",
        "SEQ2SUM_TRACKING": "off",
        "SEQ2SUM_DEVICE": "cpu" if facts.get("gpu") == "none" else os.environ.get("SEQ2SUM_DEVICE", ""),
        "SEQ2SUM_THREADS": facts["threads"],
        "OMP_NUM_THREADS": facts["threads"],
    }
    fetch = "pull" if _dvc(tree, {}, "remote", "list").strip() else "checkout"
    if pull_only:
        _dvc(tree, environment, fetch, "train")
        return
    # What is not in the cache or the remote is made by the stages.
    _dvc(tree, environment, fetch, "--allow-missing")
    if all((tree / path).exists() for path in (paths.ENCODED, paths.TOKENIZER)):
        _dvc(tree, environment, "repro", "--force", "--single-item", "--no-run-cache", "train")
    else:
        _dvc(tree, environment, "repro", "--force", "--no-run-cache", "train")


def _dvc(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    """Runs dvc there; its standard output. Its progress goes to standard error. Raises UserError if it fails."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder, env=os.environ | {"PATH": path, "COLUMNS": _COLUMNS} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise UserError(f"`dvc {' '.join(arguments)}` failed in {folder}:\n{last}")
    return done.stdout


def _differences(tree: Path, about: Path, facts: dict[str, str], made: dict[str, str]) -> Iterator[str]:
    """What is not as it was: files of the model, data, and what could be the reason."""
    for key, value in made.items():
        if value != facts[key]:
            yield f"{key.removesuffix('_sha256')}: {value}, registered as {facts[key]}"
    before, after = (lineage.tracked_files(folder / paths.DVC_LOCK, lineage.JUDGING) for folder in (about, tree))
    for path in sorted(path for path in before if path.parts[0] == "data"):
        if path in after and after[path].md5 != before[path].md5:
            yield f"{path}: md5 {after[path].md5}, was {before[path].md5}"
    if facts.get("git_dirty") == "true":
        yield f"code: the work tree had changes that are not in commit {facts['git_sha'][:10]}"
    here = lineage.machine_tags()
    for key in ("cpu", "gpu", "python", "environment_sha256"):
        if facts.get(key) != here[key]:
            yield f"{key}: {here[key]}, was {facts.get(key)}"
    lock = tree / paths.ENVIRONMENT_LOCK
    if lock.exists() and sha256_of(lock) != facts.get("environment_lock_sha256"):
        yield f"{paths.ENVIRONMENT_LOCK}: not the one that was in place"


def report(done: Reproduction) -> str:
    """What the user sees."""
    lines = ["the weights are the same" if done.same else "the weights differ"]
    lines += [f"  {difference}" for difference in done.differences]
    return "\n".join([*lines, *([f"work tree: {done.folder}"] if done.folder else [])])


def main() -> int:
    """The command line; exits with 1 if the weights differ, with 2 on what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.reproduce", description=__doc__)
    parser.add_argument("version", help="number, alias or models:/ address")
    try:
        done = reproduce(parser.parse_args().version)
    except UserError as error:
        print(f"reproduce failed: {error}", file=sys.stderr)
        return 2
    print(report(done))
    return 0 if done.same else 1


if __name__ == "__main__":
    sys.exit(main())
