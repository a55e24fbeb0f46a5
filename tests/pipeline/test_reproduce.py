import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import reproduce


def dvc(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = os.environ | {"COLUMNS": "10000"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_remotes_that_are_folders_are_the_same_ones_from_the_clean_work_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, about = tmp_path / "project", tmp_path / "about"
    project.mkdir()
    about.mkdir()
    for name in ("dvc.lock", "params.yaml"):
        (about / name).write_text("")
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    dvc(project, "init")
    dvc(project, "remote", "add", "committed", "../one folder")
    dvc(project, "remote", "add", "far", "s3://bucket/far")
    for arguments in (["add", "-A"], ["-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    dvc(project, "remote", "add", "--local", "--default", "own", "../two")
    sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout

    monkeypatch.chdir(project)
    tree = project / ".cache/reproduce/version"
    reproduce._add_tree(tree, sha.strip())
    reproduce._restore(tree, about)
    listed = dvc(tree, "remote", "list")
    assert listed == dvc(project, "remote", "list")
    assert str(tmp_path / "one folder") in listed
    assert dvc(tree, "cache", "dir") == dvc(project, "cache", "dir")
