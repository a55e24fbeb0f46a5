"""The pages say what the code says, every link leads somewhere, and what they show runs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs.generate import pages
from seq2sum.config import Params

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    own = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)


def test_the_reference_is_what_the_code_says() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make reference`"


def test_the_reference_has_every_key_of_the_params() -> None:
    page = (DOCS / "reference/params.md").read_text(encoding="utf-8")
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert [f"\n## {name}\n" in page for name in values] == [True] * len(Params.model_fields)
    for key, value in values["train"]["model"].items():
        assert f"| `{key}`" in page, value


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = run(Path(sys.executable).with_name("sphinx-build"), "--fail-on-warning", DOCS, tmp_path)
    assert done.returncode == 0, done.stderr
    built = list(tmp_path.rglob("*.html"))
    assert {path.stem for path in built} >= {path.stem for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    loaded = [
        f"{path.name}: {tag}"
        for path in built
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", path.read_text(encoding="utf-8"))
        if re.search(r"(?:src|href)=\"(?:https?:)?//", tag)
    ]
    assert loaded == []


def test_links_of_the_pages_outside_the_site_lead_to_files() -> None:
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8"))
        assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == [], page


def test_commands_on_the_pages_name_the_python_that_has_the_dependencies() -> None:
    pages = [ROOT / "README.md", ROOT / "benchmarks/README.md", *DOCS.glob("*.md")]
    commands = r"(\S*)python3? -m ((?:benchmarks|pipeline|study|tests)\.[\w.]+)"
    found = [match for page in pages for match in re.findall(commands, page.read_text(encoding="utf-8"))]
    assert len(found) > 5
    assert [module for before, module in found if not before.endswith(".venv/bin/")] == []
    assert [module for _, module in found if importlib.util.find_spec(module) is None] == []


def quoted_messages() -> list[str]:
    return re.findall(r"^`(.+)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def code() -> str:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "pipeline").rglob("*.py"), *(ROOT / "scripts").glob("*.sh")]
    # A message that goes on in the next literal is one to its reader.
    return re.sub(r'" *\n *f?"', "", "\n".join(file.read_text(encoding="utf-8") for file in files))


@pytest.mark.parametrize("message", quoted_messages())
def test_messages_in_the_troubleshooting_are_those_of_the_code(code: str, message: str) -> None:
    assert message in code


def test_the_tutorial_runs_and_learns_its_toy_language() -> None:
    done = run(sys.executable, DOCS / "tutorial.py")
    assert done.returncode == 0, done.stderr
    scores = {name: float(value) for name, value in re.findall(r"ROUGE-1 of (.+): ([\d.]+)", done.stdout)}
    assert scores["model"] > scores["first sentence"] + 20, done.stdout
