"""Whether the bytes of recorded data, where there are any here, have the hash that was recorded."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline import lineage, paths
from seq2sum.errors import UserError


class AtHand(NamedTuple):
    """Where all bytes of some data were found, a place each; what is wrong with them, and what lacks, a line each."""

    places: list[str]
    wrong: list[str]
    missing: list[str]


def data_at_hand(recorded: Mapping[Path, str]) -> dict[Path, AtHand]:
    """Hashes what is here of each path with its recorded md5.

    Looked for in this work tree, if its dvc.lock names the same data, and in DVC's cache. What only a remote has is not
    at hand: `dvc fetch` brings it.
    """
    try:
        here = lineage.tracked_files(paths.DVC_LOCK)
    except UserError:
        here = {}
    cache = _cache()
    found = {}
    for path, md5 in recorded.items():
        places, wrong, missing = [], [], []
        # A work tree that has gone on to other data says nothing about this.
        if path in here and here[path].md5 == md5 and path.exists():
            places.append("in the work tree")
            if (now := md5_of(path)) != md5:
                wrong.append(f"in the work tree its bytes have the hash {now}")
        objects = _objects(cache, md5) if cache else {}
        if gone := [file for file in objects.values() if not file.exists()]:
            missing.append(f"DVC's cache lacks {len(gone)} of its {len(objects)} objects, such as {gone[0]}")
        elif objects:
            places.append("in DVC's cache")
        present = {name: file for name, file in objects.items() if file not in gone}
        broken = [file for name, file in present.items() if lineage.md5_of_file(file) != name]
        wrong += [f"{file} holds other bytes" for file in broken]
        found[path] = AtHand(places, wrong, missing)
    return found


def md5_of(path: Path) -> str:
    """As DVC writes it: of a file that of its bytes, of a folder that of the list of its files."""
    if not path.is_dir():
        return lineage.md5_of_file(path)
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    listed = json.dumps([{"md5": lineage.md5_of_file(path / name), "relpath": name} for name in names])
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _cache() -> Path | None:
    """DVC's cache of this project; None outside of one."""
    done = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None


def _objects(cache: Path, md5: str) -> dict[str, Path]:
    """The cached files of some data by their md5, of a folder its list too; none where it has no such data."""
    store = cache / "files/md5"
    content = store / md5[:2] / md5[2:]
    if not content.exists():
        return {}
    objects = {md5.removesuffix(".dir"): content}
    if md5.endswith(".dir"):
        try:
            names = [entry["md5"] for entry in json.loads(content.read_bytes())]
        except (ValueError, KeyError, TypeError):  # its own hash tells
            return objects
        objects |= {name: store / name[:2] / name[2:] for name in names}
    return objects
