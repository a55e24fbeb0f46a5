"""Package lists through the machine's own package client, apt, in a private folder.

Needs no root, and leaves the system's lists and caches alone: state, cache and lists live in the private folder,
the status file is empty, and the hooks that a system runs after an update are off. The archives, keys and proxies
are those that the system's configuration names, so signatures are checked as apt checks them.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from seq2sum.data.sources.debian_lists import FREE_COMPONENTS, Index, PackageLists
from seq2sum.data.sources.descriptions import read_stanzas
from seq2sum.errors import UserError

_HELPER = Path("/usr/lib/apt/apt-helper")
_ORIGINS = ("Debian", "Ubuntu")
_NEEDED_TARGETS = ("Packages", "Translations")
# Read after the system's own configuration, which it therefore overrides. `#clear` alone empties a list.
_CONFIG = """\
#clear APT::Update;
#clear Acquire::Languages;
Acquire::Languages { "en"; };
APT::Sandbox::User "";
"""
_TARGET_FIELDS = frozenset(
    {"Filename", "Origin", "Suite", "Codename", "Version", "Component", "Created-By", "MetaKey", "Release"}
)
_NUM_LAST_LINES = 8
_MEND = (
    "\nMend the network or apt's sources and run again (what was downloaded is kept), "
    "or name a mirror in SEQ2SUM_DEBIAN_MIRROR."
)


def has_apt() -> bool:
    """Whether this machine has Debian's package client."""
    return shutil.which("apt-get") is not None and _HELPER.exists()


def fetch_with_apt(folder: Path) -> PackageLists:
    """Updates the lists in ``folder`` and returns those of the base suites of Debian or Ubuntu.

    Other sources of the machine may fail: what counts is that the lists wanted here are whole. apt continues an
    interrupted download, and keeps earlier lists where it cannot reach the archive, and says so.
    Raises UserError, with apt's last lines, if the lists are not there afterwards.
    """
    apt_get = _prepare(folder.absolute())
    exit_status, last_lines = _update(apt_get)
    targets = [target for target in _targets(apt_get) if _is_wanted(target)]
    packages = [target for target in targets if target["Created-By"] == "Packages"]
    translations = [target for target in targets if target["Created-By"] == "Translations"]
    described = {(target["Release"], target["Component"]) for target in translations}
    if not packages or any((target["Release"], target["Component"]) not in described for target in packages):
        raise UserError(
            f"apt-get update (exit status {exit_status}) left no whole lists of a base suite of Debian or Ubuntu. "
            "Its last lines:\n  " + "\n  ".join(last_lines) + _MEND
        )
    if exit_status != 0:
        print("apt-get update failed in part; the lists of Debian or Ubuntu are whole. Going on.", file=sys.stderr)
    return PackageLists(
        origin=packages[0]["Origin"],
        release=", ".join(sorted({f"{target['Codename']} {target.get('Version', '')}".strip() for target in packages})),
        packages=tuple(map(_index, packages)),
        translations=tuple(map(_index, translations)),
    )


def _prepare(folder: Path) -> list[str]:
    """Makes the private folder and returns the command line of an apt-get that keeps to it."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    # Lists that other tools of the system asked for, such as file contents and icons, are large and not wanted.
    dump = _output(["apt-config", "dump", "--format", "%F%n", "Acquire::IndexTargets::deb"])
    names = {line.split("::")[3] for line in dump.splitlines() if line.count("::") >= 4}
    unwanted = [
        f'Acquire::IndexTargets::deb::{name}::DefaultEnabled "false";\n'
        for name in sorted(names)
        if name not in _NEEDED_TARGETS
    ]
    (folder / "apt.conf").write_text(_CONFIG + "".join(unwanted))
    options = {
        "Dir::State": folder / "state",
        "Dir::State::Lists": folder / "state/lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
    }
    return ["apt-get", "-c", str(folder / "apt.conf"), *(f"-o{key}={value}" for key, value in options.items())]


def _update(apt_get: list[str]) -> tuple[int, list[str]]:
    """Runs ``apt-get update``, its output passed on to stderr; returns the exit status and the last lines."""
    last_lines: deque[str] = deque(maxlen=_NUM_LAST_LINES)
    command = [*apt_get, "update"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env=_plain_language(),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr)
            last_lines.append(line.rstrip())
    return process.returncode, list(last_lines)


def _targets(apt_get: list[str]) -> Iterator[dict[str, str]]:
    """The lists that apt holds now."""
    return read_stanzas(_output([*apt_get, "indextargets"]).splitlines(), _TARGET_FIELDS)


def _is_wanted(target: dict[str, str]) -> bool:
    """Whether a list is one of a base suite: updates and security (``suite-…``) repeat packages of it."""
    return (
        target.get("Origin") in _ORIGINS
        and target.get("Created-By") in _NEEDED_TARGETS
        and target.get("Component") in FREE_COMPONENTS
        and "-" not in (target.get("Suite") or target["Codename"])
    )


def _index(target: dict[str, str]) -> Index:
    return Index(f"{target['Codename']}/{target['MetaKey']}", functools.partial(_cat, target["Filename"]))


@contextlib.contextmanager
def _cat(filename: str) -> Iterator[IO[bytes]]:
    """The plain bytes of a list, whatever its compression."""
    with subprocess.Popen([_HELPER, "cat-file", filename], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout
    if process.returncode != 0:
        raise UserError(f"{filename}: apt-helper could not read it. Remove it and run again.")


def _output(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=_plain_language())
    if result.returncode != 0:
        last_lines = "\n  ".join(result.stderr.strip().splitlines()[-_NUM_LAST_LINES:])
        raise UserError(f"{command[0]} failed:\n  {last_lines}{_MEND}")
    return result.stdout


def _plain_language() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8"}
