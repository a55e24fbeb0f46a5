import os

import pytest

from pipeline.flows import dvc_cli
from pipeline.flows.command import CommandError
from pipeline.flows.dvc_cli import whole_lock


@pytest.mark.parametrize("before", [None, "schema: '2.0'\nstages: {}\n"])
def test_what_a_killed_dvc_left_of_its_lock_file_is_not_read(tmp_path, before):
    lock = tmp_path / "dvc.lock"
    if before:
        lock.write_text(before)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), whole_lock(tmp_path):  # noqa: PT012
            assert (lock.read_text() if lock.exists() else None) == before
            lock.write_text("sche")
            raise KeyboardInterrupt
    with whole_lock(tmp_path):
        assert (lock.read_text() if lock.exists() else None) == before
        lock.write_text("whole")
    with whole_lock(tmp_path):
        assert lock.read_text() == "whole"


def test_a_short_command_that_was_killed_is_run_again_and_one_that_fails_is_not(tmp_path, monkeypatch):
    statuses = [-9, -9, 0, 255]

    def run(command, *_args):
        if status := statuses.pop(0):
            raise CommandError(command, status, [])
        return ["here"]

    monkeypatch.setattr(dvc_cli.command, "run", run)
    assert dvc_cli.ask(tmp_path, {}, ["cache", "dir"]) == ["here"]
    with pytest.raises(CommandError, match="status 255"):
        dvc_cli.ask(tmp_path, {}, ["cache", "dir"])
    assert statuses == []


def test_a_default_remote_is_seen_wherever_it_is_configured(tmp_path):
    environment = dict(os.environ) | {"DVC_NO_ANALYTICS": "1", "DVC_SYSTEM_CONFIG_DIR": str(tmp_path / "machine")}
    project = tmp_path / "project"
    project.mkdir()
    dvc_cli.ask(project, environment, ["init", "--quiet", "--no-scm"])
    dvc_cli.ask(project, environment, ["remote", "add", "--quiet", "store", "../store"])
    assert not dvc_cli.has_default_remote(project, environment)
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine/config").write_text("[core]\n    remote = store\n")
    assert dvc_cli.has_default_remote(project, environment)


def test_dvc_s_advice_on_a_folder_that_goes_is_left_out():
    told = list[str]()
    advice = ["", "To track the changes with git, run:", "\tgit add dvc.lock", "Use `dvc push` to send your updates"]
    for line in ("Running stage 'split':", *advice, "> python -m pipeline.stages.split"):
        dvc_cli.without_hints(told.append)(line)
    assert told == ["Running stage 'split':", "> python -m pipeline.stages.split"]
