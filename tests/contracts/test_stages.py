"""dvc.yaml, params.yaml, the params' models and the stages' modules say the same."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from pipeline.preset import apply_preset
from seq2sum.config import Params
from seq2sum.section import Section
from seq2sum.training.identity import SHAPING_CODE
from study.settings import StudyParams

ROOT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STUDY: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "study/dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))

# These can make a stage fail but not write something else: they hold no default and compute nothing. The values they
# check are tracked as params, and the paths they name as deps and outs. Without this a new key for one stage would
# re-run all the others.
UNTRACKED = {
    "seq2sum.config",
    "seq2sum.data_config",
    "seq2sum.params_file",
    "seq2sum.section",
    "seq2sum.errors",
    "pipeline.committed",
    "pipeline.paths",
    "pipeline.stages.runner",
    "pipeline.supervision",
    "study.settings",
}

# The readable reference stands beside the code that it explains, which does not import it.
REFERENCE = {Path("src/seq2sum/model/cells.py")}
# (the folder of presets, the file that they vary, its model)
PRESETS: list[tuple[str, str, type[Section]]] = [
    ("presets", "params.yaml", Params),
    ("study/presets", "study/params.yaml", StudyParams),
]


def file_of(module: str) -> Path:
    path = Path("src" if module.startswith("seq2sum") else "", *module.split("."))
    return path if (ROOT / path).is_dir() else path.with_suffix(".py")


@pytest.fixture(scope="session")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("seq2sum", "pipeline", "study", exclude_type_checking_imports=True, cache_dir=None)


def imported_files(graph: grimp.ImportGraph, module: str) -> set[Path]:
    modules = {module} | graph.find_upstream_modules(module)
    return {file_of(name) for name in modules - UNTRACKED if file_of(name).suffix == ".py"}


def test_the_train_key_covers_the_code_that_trains(graph: grimp.ImportGraph) -> None:
    # Writing files does not shape weights; the rest as above.
    trains = ("seq2sum.training.trainer", "seq2sum.reward", "seq2sum.evaluation.fast_rouge")
    needed = set().union(*(imported_files(graph, module) for module in trains)) - {file_of("seq2sum.files")}
    covered = {path for part in SHAPING_CODE for path in python_files(Path("src/seq2sum", part))}
    assert covered >= needed
    apart = {Path("src/seq2sum/model/folder.py"), Path("src/seq2sum/training/identity.py")} | REFERENCE
    assert covered - needed <= apart


def module_of(stage: dict[str, Any]) -> str:
    return str(stage["cmd"].split()[2])


def code_deps(stage: dict[str, Any]) -> list[Path]:
    return [Path(dep) for dep in stage["deps"] if Path(dep).parts[0] in {"src", "pipeline", "study"}]


def python_files(dep: Path) -> set[Path]:
    """The modules that a dep stands for; a package's own file is empty and so does not count."""
    files = (ROOT / dep).rglob("*.py") if (ROOT / dep).is_dir() else [ROOT / dep]
    return {file.relative_to(ROOT) for file in files if file.name != "__init__.py"}


def test_stages_sections_and_models_are_named_alike() -> None:
    fields = [field.alias or name for name, field in Params.model_fields.items()]
    # `locate` looks at the source that the section `ingest` names; `promote` changes a server and so is no stage.
    stages = [stage for stage in STAGES if stage != "locate"]
    assert [*stages, "promote"] == list(PARAMS) == fields


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_the_module_of_its_name(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m pipeline.stages.{stage}"
    assert (ROOT / file_of(f"pipeline.stages.{stage}")).is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_notes_its_starter_before_anything_slow_is_imported(stage: str) -> None:
    tree = ast.parse((ROOT / file_of(module_of(STAGES[stage]))).read_text(encoding="utf-8"))
    imported = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            imported.append(str(node.module))
        elif isinstance(node, ast.Import):
            imported += [name.name for name in node.names]
    before = {name.split(".")[0] for name in imported[: imported.index("pipeline.stages.runner")]}
    assert before <= sys.stdlib_module_names | {"tqdm", "pipeline"}
    assert "pipeline.hardware" not in imported[: imported.index("pipeline.stages.runner")]


def test_every_stage_module_is_in_dvc_yaml() -> None:
    modules = {file.stem for file in (ROOT / "pipeline/stages").glob("*.py")}
    assert modules - {"__init__", "runner"} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_the_sections_that_it_reads(stage: str) -> None:
    source = (ROOT / file_of(f"pipeline.stages.{stage}")).read_text(encoding="utf-8")
    read = {name.rstrip("_") for name in re.findall(r"\bparams\.(\w+)", source)} & set(PARAMS)
    assert read == set(STAGES[stage]["params"])


@pytest.mark.parametrize(
    "stage", [stage for stage in [*STAGES.values(), *STUDY.values()] if not stage.get("always_changed")], ids=module_of
)
def test_deps_are_exactly_the_code_that_a_stage_imports(graph: grimp.ImportGraph, stage: dict[str, Any]) -> None:
    """With less, DVC would serve stale results; with more, it would re-run what nothing touched."""
    tracked = set().union(*(python_files(dep) for dep in code_deps(stage)))
    imported = imported_files(graph, module_of(stage))
    assert {"missing": listed(imported - tracked), "needless": listed(tracked - imported - REFERENCE)} == {
        "missing": [],
        "needless": [],
    }


def listed(files: set[Path]) -> list[str]:
    return sorted(map(str, files))


@pytest.mark.parametrize(("presets", "params", "section"), PRESETS)
def test_the_default_preset_is_what_the_params_hold(
    tmp_path: Path, presets: str, params: str, section: type[Section]
) -> None:
    """As git has them: in the work tree `make full` may have set other values."""
    (tmp_path / "params.yaml").write_bytes(in_git(params))
    (tmp_path / "default.yaml").write_bytes(in_git(f"{presets}/default.yaml"))
    assert apply_preset(tmp_path / "default.yaml", tmp_path / "params.yaml", section, force=True) == []


@pytest.mark.parametrize(("presets", "params", "section"), PRESETS)
def test_every_preset_fits(tmp_path: Path, presets: str, params: str, section: type[Section]) -> None:
    for preset in (ROOT / presets).glob("*.yaml"):
        (tmp_path / "params.yaml").write_bytes(in_git(params))
        apply_preset(preset, tmp_path / "params.yaml", section, force=True)


def in_git(name: str) -> bytes:
    """A file's content as it would be committed now."""
    return subprocess.run(["git", "show", f":{name}"], cwd=ROOT, check=True, capture_output=True).stdout


@pytest.mark.parametrize("presets", [presets for presets, *_ in PRESETS])
def test_presets_vary_the_same_keys(presets: str) -> None:
    """Otherwise the default preset would not undo another one."""
    keys = {path.stem: leaf_keys(yaml.safe_load(path.read_text())) for path in (ROOT / presets).glob("*.yaml")}
    assert len(keys) > 1
    assert all(found == keys["default"] for found in keys.values())


def leaf_keys(section: dict[str, Any], above: str = "") -> set[str]:
    keys = set()
    for name, value in section.items():
        keys |= leaf_keys(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}"}
    return keys
