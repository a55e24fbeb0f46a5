"""What a source names, told cheaply: so that a pipeline notices changed local files without reading the corpus.

Imports nothing heavy, since it runs each time.
"""

import glob
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seq2sum.data_config import DebianSource, FilesSource, HubSource, SplitName
from seq2sum.errors import UserError
from seq2sum.files import sha256_of


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A local file that a glob matched, with its content's size in bytes and SHA-256."""

    split: SplitName
    path: str
    num_bytes: int
    sha256: str


def locate(source: DebianSource | HubSource | FilesSource) -> dict[str, Any]:
    """What the source names, as JSON: equal to an earlier call's while the pairs would be the same.

    For ``files`` every file with its SHA-256; for ``hub`` the data set and its revision; for ``debian`` the suite of
    a named mirror, but not what the archive holds now, since asking would need the network each time.
    Raises UserError like :func:`locate_files`.
    """
    if isinstance(source, FilesSource):
        return {"kind": source.kind, "files": [asdict(file) for file in locate_files(source)]}
    if isinstance(source, HubSource):
        return {"kind": source.kind, "name": source.name, "config": source.config, "revision": source.revision}
    if os.environ.get("SEQ2SUM_DEBIAN_MIRROR"):
        return {"kind": source.kind, "suite": os.environ.get("SEQ2SUM_DEBIAN_SUITE") or "stable"}
    return {"kind": source.kind}


def locate_word_vectors(path: str | None) -> dict[str, Any]:
    """The file's size in bytes and SHA-256, as JSON; nothing without a file. Raises UserError if it is not there."""
    if path is None:
        return {}
    if not Path(path).is_file():
        raise UserError(f"encode.word_vectors: no file {path!r} (seen from {Path.cwd()}). Mend it in params.yaml.")
    return {"path": path, "num_bytes": Path(path).stat().st_size, "sha256": sha256_of(Path(path))}


def locate_files(source: FilesSource) -> list[LocatedFile]:
    """The files that the globs match, in the order of the params' splits and, within one, of their paths.

    Raises UserError if a glob matches no file, or two splits share one.
    """
    split_of: dict[str, SplitName] = {}
    for split, patterns in source.paths.items():
        for path in _matches(split, patterns):
            if path in split_of:
                raise UserError(
                    f"{path}: in the split {split!r} and in {split_of[path]!r}. "
                    "Narrow the globs under ingest.source.paths in params.yaml."
                )
            split_of[path] = split
    return [
        LocatedFile(split, path, Path(path).stat().st_size, sha256_of(Path(path))) for path, split in split_of.items()
    ]


def _matches(split: str, patterns: list[str]) -> list[str]:
    key = f"ingest.source.paths.{split}"
    if not patterns:
        raise UserError(f"{key}: no globs. List at least one in params.yaml.")
    found: set[str] = set()
    for pattern in patterns:
        files = [path for path in glob.glob(pattern, recursive=True) if Path(path).is_file()]
        if not files:
            raise UserError(f"{key}: no file matches {pattern!r} (seen from {Path.cwd()}). Mend it in params.yaml.")
        found.update(files)
    return sorted(found)
