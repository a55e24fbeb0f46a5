"""A work tree for each flow run: the commit's code and params, with the run's overrides, beside the checkout.

So a run changes nothing of the checkout, and two runs nothing of each other's. They share what costs time: DVC's cache
and the checkpoints.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from pipeline import paths
from pipeline.flows import dvc_cli
from pipeline.preset import overlay, round_trip_yaml
from pipeline.tracking.connection import EMBEDDED_ARTIFACTS, EMBEDDED_FILE
from seq2sum.config import Params
from seq2sum.errors import UserError
from seq2sum.files import write_text
from seq2sum.params_file import checked, parse_yaml

FOLDER = Path(".cache/factory")
DVC_CONFIG = Path(".dvc/config.local")
POLL_SECONDS = 1.0
_READY = ".git-ready"
# Of the checkout; an embedded tracking database and its files outlive the run.
_SHARED = (".cache", EMBEDDED_FILE, EMBEDDED_ARTIFACTS)


@contextlib.contextmanager
def workspace(name: str, overrides: Sequence[str], deadline: float | None = None) -> Iterator[Path]:
    """The work tree ``name``, made or found again as it was left by a killed run, for one process at a time.

    It is removed at the end, unless the run was killed or cancelled. Raises UserError for a bad override, or where
    there is no commit, and TimeoutError if another process has it until ``deadline`` (of the monotonic clock).
    """
    checkout = Path.cwd()
    tree = checkout / FOLDER / name
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tree.with_suffix(".lock").open("a") as lock:
        _lock(lock, tree, deadline)
        try:
            if not (tree / _READY).exists():
                _make(checkout, tree, overrides)
            yield tree
        except Exception:
            remove(tree)
            raise
        remove(tree)


def _lock(lock: TextIO, tree: Path, deadline: float | None) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{tree}: another process had it until the time was up.") from None
            time.sleep(POLL_SECONDS)
        else:
            return


def remove(tree: Path) -> None:
    """Removes a work tree, whatever is left of it. Its lock file stays: another process may wait for it."""
    subprocess.run(["git", "worktree", "remove", "--force", str(tree)], capture_output=True, check=False)
    shutil.rmtree(tree, ignore_errors=True)


def environment(tree: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What commands in the work tree get: its code first, this interpreter's programs."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "PYTHONPATH": f"{tree / 'src'}:{tree}",
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
    }


def _make(checkout: Path, tree: Path, overrides: Sequence[str]) -> None:
    remove(tree)
    _require_committed_params(checkout)
    done = subprocess.run(
        ["git", "worktree", "add", "--quiet", "--force", "--detach", str(tree), "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UserError(f"{checkout}: {done.stderr.strip()}. A flow trains a commit: make one first.")
    set_overrides(tree / paths.PARAMS, overrides)
    for name in _SHARED:
        (tree / name).symlink_to(checkout / name)
    if (checkout / DVC_CONFIG).exists():
        shutil.copy(checkout / DVC_CONFIG, tree / DVC_CONFIG)
    cache = dvc_cli.ask(checkout, environment(checkout), ["cache", "dir"])[-1]
    dvc_cli.ask(tree, environment(tree), ["cache", "dir", "--local", cache])
    _link_sources(checkout, tree)
    (tree / _READY).touch()


def set_overrides(params: Path, overrides: Sequence[str]) -> None:
    """Sets each ``section.key=value`` in a params file. Raises UserError naming the one that does not fit."""
    document = round_trip_yaml().load(params.read_text(encoding="utf-8"))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"override {override!r}: write it as section.key=value.")
        value: Any = parse_yaml(text)
        for name in reversed(key.split(".")):
            value = {name: value}
        overlay(document, value, Path(f"override {override!r}"))
    text_out = StringIO()
    round_trip_yaml().dump(document, text_out)
    checked(parse_yaml(text_out.getvalue()), Path(f"{params.name} with the overrides"), Params)
    write_text(params, text_out.getvalue())


def _require_committed_params(checkout: Path) -> None:
    """Raises UserError if the params that someone sees are not those that would be trained."""
    difference = ["git", "diff", "--quiet", "HEAD", "--", str(paths.PARAMS)]
    if subprocess.run(difference, cwd=checkout, capture_output=True, check=False).returncode == 1:
        raise UserError(
            f"{paths.PARAMS} has changes that git does not have, and a flow trains the commit. Commit them, or give "
            "them as overrides (section.key=value)."
        )


def _link_sources(checkout: Path, tree: Path) -> None:
    """Local files that the params name and that are not in git are read where they are.

    Raises UserError for a path that leads out of the checkout.
    """
    source = parse_yaml((tree / paths.PARAMS).read_text(encoding="utf-8"))["ingest"]["source"]
    patterns = [pattern for split in (source.get("paths") or {}).values() for pattern in split]
    for pattern in patterns:
        if Path(pattern).is_absolute():
            continue
        if ".." in Path(pattern).parts:
            raise UserError(
                f"ingest.source.paths: {pattern!r} leads out of the checkout; write it as an absolute path."
            )
        for name in glob.glob(pattern, root_dir=checkout, recursive=True):
            link = tree / name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(checkout / name)
