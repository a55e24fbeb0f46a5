import json
import os

import pytest

from seq2sum.files import replaced_file, replaced_folder, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def fail():
        with replaced_file(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_finished_write_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "out.txt"
    for text in ("one", "two"):
        with replaced_file(path) as beside:
            beside.write_text(text)
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["out.txt"]


def test_others_may_read_what_was_written_even_if_the_writer_makes_its_own_file(tmp_path):
    path = tmp_path / "out.txt"
    with replaced_file(path) as beside:
        beside.unlink()
        beside.touch(mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder"
    with replaced_folder(path) as beside:
        (beside / "a").write_text("1")

    def fail():
        with replaced_folder(path) as beside:
            (beside / "b").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(path) == ["a"]
    with replaced_folder(path) as beside:
        (beside / "c").write_text("3")
    assert os.listdir(path) == ["c"]
    assert os.listdir(tmp_path) == ["folder"]


def test_json_holds_no_nan_and_sorts_its_keys(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": "é"})
    assert path.read_text() == '{\n  "a": "é",\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": "é", "b": 1}
