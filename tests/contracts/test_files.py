"""What holds for every file of the repository."""

import ast
import importlib.metadata
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MAX_LINES = 350
# A machine's own folders, and hosts of package indexes: neither is there for the next user.
LOCAL_PATH = re.compile(r"(?<![\w.~-])/(home|root|work|opt|tmp|mnt)/\w")
INDEX_HOST = re.compile(r"://[\w.-]*(pypi|pythonhosted|debian|npmjs)")


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked_files()


def test_packages_have_an_empty_init() -> None:
    """Every import cycle passes through one that is not."""
    inits = [file for file in FILES if file.name == "__init__.py"]
    assert len(inits) > 5
    assert [file for file in inits if file.stat().st_size] == []


def test_no_file_of_code_is_long() -> None:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES if file.suffix == ".py"}
    assert {file: length for file, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("pattern", [LOCAL_PATH, INDEX_HOST], ids=["local path", "index host"])
def test_no_file_names_a_machine_or_an_index(pattern: re.Pattern[str]) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in FILES
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_lock_pins_what_pyproject_asks_for() -> None:
    """Fails when `make lock` was forgotten; an unpinned package would be installed without a check of its hash."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = itertools.chain.from_iterable(project["project"]["optional-dependencies"].values())
    asked = map(Requirement, [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]])
    lock = (ROOT / "requirements/lock.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ]+).*\\\n    --hash=sha256:", lock, flags=re.MULTILINE))
    missing = []
    for requirement in asked:
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            missing.append(str(requirement))
    assert missing == []


def test_what_the_code_imports_is_declared() -> None:
    """Else it works only as long as another package brings it along."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: declared(extra) for name, extra in project["optional-dependencies"].items()}
    base, known = declared(project["dependencies"]), importlib.metadata.packages_distributions()
    assert [
        module
        for module in imported("src", "pipeline", "study")
        if not any(canonicalize_name(name) in base | extras["export"] for name in known[module])
    ] == []
    assert imported("pipeline/demo") - imported("src") - {"typer"} == extras["demo"]


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def imported(*folders: str) -> set[str]:
    """The modules that code in these folders imports, but for the standard library and this project itself."""
    found = set()
    for file in FILES:
        if file.suffix == ".py" and any(file.is_relative_to(ROOT / folder) for folder in folders):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                found |= {name.partition(".")[0] for name in names}
    return found - {"seq2sum", "pipeline", "study"} - sys.stdlib_module_names


def test_every_locked_package_has_a_hash() -> None:
    for name in ("lock.txt", "uv.txt"):
        lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        pins = [number for number, line in enumerate(lines) if line and line[0] not in " #"]
        assert pins
        assert all(lines[number + 1].startswith("    --hash=sha256:") for number in pins)
