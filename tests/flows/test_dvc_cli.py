import pytest

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
