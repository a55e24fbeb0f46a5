import subprocess
import time
from pathlib import Path

import pytest
import yaml

from pipeline.flows.workspace import FOLDER, set_overrides, workspace
from seq2sum.errors import UserError
from tests.behaviour.corpus import make_project
from tests.demonstration.registry import commit


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder, 5)
    (folder / ".gitignore").open("a").write("/pairs.jsonl\n")
    commit(folder, "all but the pairs")
    return folder


def test_a_killed_run_finds_its_work_tree_again_and_the_checkout_stays_as_it_is(project, monkeypatch):
    monkeypatch.chdir(project)
    before = (project / "params.yaml").read_text()
    with pytest.raises(KeyboardInterrupt), workspace("run", ["train.seed=7"]) as tree:  # noqa: PT012
        (tree / "data").mkdir()
        raise KeyboardInterrupt
    with workspace("run", ["train.seed=7"]) as again:
        assert again == tree
        assert (tree / "data").exists()
        assert yaml.safe_load((tree / "params.yaml").read_text())["train"]["seed"] == 7
        assert (tree / "pairs.jsonl").read_text() == (project / "pairs.jsonl").read_text()
        (tree / ".cache/checkpoints").mkdir()
        cache = yaml.safe_load((tree / ".dvc/config.local").read_text().partition("dir = ")[2])
        assert Path(cache) == project / ".dvc/cache"
    assert (project / "params.yaml").read_text() == before
    assert (project / ".cache/checkpoints").is_dir()
    assert [path for path in (project / FOLDER).iterdir() if path.is_dir()] == []
    listed = subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


def test_local_files_are_read_where_they_are_and_nothing_else_of_their_folders(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "data/raw").mkdir(parents=True)
    (project / "data/mails.csv").write_text("body,subject\n")
    with workspace("local", ['ingest.source.paths={"all": ["data/*.csv"]}']) as tree:
        assert (tree / "data/mails.csv").read_text() == "body,subject\n"
        (tree / "data/raw").mkdir()
        (tree / "data/raw/pairs").write_text("made by a stage")
    assert sorted(path.name for path in (project / "data").rglob("*")) == ["mails.csv", "raw"]


def test_a_path_out_of_the_checkout_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    override = 'ingest.source.paths={"all": ["../mails.csv"]}'
    with pytest.raises(UserError, match=r"'\.\./mails\.csv' leads out"), workspace("outside", [override]):
        pass


def test_params_that_git_does_not_have_are_not_passed_over(project, monkeypatch):
    monkeypatch.chdir(project)
    before = (project / "params.yaml").read_bytes()
    (project / "params.yaml").write_bytes(before.replace(b"seed: 1", b"seed: 2", 1))
    with pytest.raises(UserError, match=r"params\.yaml has changes"), workspace("changed", []):
        pass
    (project / "params.yaml").write_bytes(before)
    with workspace("changed", []):
        pass


def test_waiting_for_a_work_tree_ends_when_the_time_is_up(project, monkeypatch):
    monkeypatch.chdir(project)
    with (
        workspace("taken", []) as tree,
        pytest.raises(TimeoutError, match="taken"),
        workspace("taken", [], time.monotonic() + 1),
    ):
        pass
    assert not tree.exists()


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("train.seed", "section.key=value"),
        ("train.sed=2", "train.sed"),
        ("train.seed=two", "train.seed"),
        ("train=2", "train"),
        ("train.learning_rate=fast", "train.learning_rate"),
    ],
)
def test_a_bad_override_is_named_and_changes_nothing(project, tmp_path, override, named):
    params = tmp_path / "params.yaml"
    params.write_bytes((project / "params.yaml").read_bytes())
    with pytest.raises(UserError, match=named):
        set_overrides(params, ["train.max_steps=3", override])
    assert params.read_bytes() == (project / "params.yaml").read_bytes()
