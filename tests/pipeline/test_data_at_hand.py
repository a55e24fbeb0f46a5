"""What DVC recorded, against the bytes that are there: the hashes and the cache are DVC's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.data_at_hand import AtHand, data_at_hand

FILE, FOLDER = Path("data/raw.txt"), Path("data/split")
STAGES = {"stages": {"make": {"cmd": "python make.py", "outs": [str(FILE), str(FOLDER)]}}}
MAKE = """
from pathlib import Path
Path("data/split/deeper").mkdir(parents=True)
Path("data/raw.txt").write_text("all of it")
Path("data/split/train.parquet").write_text("much")
Path("data/split/a-ä.parquet").write_text("little")
Path("data/split/deeper/B.parquet").write_text("less")
"""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, str]:
    """A DVC project as the working folder, its data in work tree and cache; the hashes that DVC gave it."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(yaml.safe_dump(STAGES))
    Path("make.py").write_text(MAKE)
    for arguments in (["init", "--no-scm", "-q"], ["config", "core.analytics", "false"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True)
    outs = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["make"]["outs"]
    return {Path(out["path"]): out["md5"] for out in outs}


def cached(md5: str) -> Path:
    return Path(".dvc/cache/files/md5").resolve() / md5[:2] / md5[2:]


def overwrite(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def test_data_as_dvc_left_it_holds_in_the_work_tree_and_the_cache(recorded: dict[Path, str]) -> None:
    assert recorded[FOLDER].endswith(".dir")
    everywhere = AtHand(["in the work tree", "in DVC's cache"], [], [])
    assert data_at_hand(recorded) == {FILE: everywhere, FOLDER: everywhere}


def test_bytes_that_were_changed_are_found_wherever_they_are(recorded: dict[Path, str]) -> None:
    overwrite(FILE, "all of i")
    overwrite(FOLDER / "deeper/B.parquet", "more")
    of_file, listing = cached(recorded[FILE]), cached(recorded[FOLDER])
    overwrite(of_file, "none of it")
    found = data_at_hand(recorded)
    assert [line.rpartition(" ")[0] for line in found[FILE].wrong][:1] == ["in the work tree its bytes have the hash"]
    assert found[FILE].wrong[1:] == [f"{of_file} holds other bytes"]
    assert len(found[FOLDER].wrong) == 1
    listing.chmod(0o644)
    listing.write_bytes(listing.read_bytes().replace(b"train", b"brain"))
    assert data_at_hand(recorded)[FOLDER].wrong[1:] == [f"{listing} holds other bytes"]


def test_of_other_data_the_work_tree_says_nothing_and_a_cached_folder_with_a_missing_file_tells_it(
    recorded: dict[Path, str],
) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    for out in lock["stages"]["make"]["outs"]:
        out["md5"] = "0" * 32
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert {at_hand.places[0] for at_hand in data_at_hand(recorded).values()} == {"in DVC's cache"}
    one_file = next(path for path in Path(".dvc/cache/files/md5").glob("*/*") if path.read_bytes() == b"less")
    one_file.unlink()
    lacks = f"DVC's cache lacks 1 of its 4 objects, such as {one_file.resolve()}"
    assert data_at_hand(recorded)[FOLDER] == AtHand([], [], [lacks])
    another = next(path for path in Path(".dvc/cache/files/md5").glob("*/*") if path.read_bytes() == b"much")
    overwrite(another, "most")
    assert data_at_hand(recorded)[FOLDER] == AtHand([], [f"{another.resolve()} holds other bytes"], [lacks])
    shutil.rmtree(".dvc")
    assert data_at_hand(recorded)[FILE] == AtHand([], [], [])
