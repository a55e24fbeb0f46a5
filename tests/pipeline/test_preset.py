import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.preset import apply_preset
from seq2sum.errors import UserError
from seq2sum.params_file import load_params
from tests.pipeline.tracking.project import environment

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "params.yaml"
PRESETS = ROOT / "presets"


@pytest.fixture
def params(tmp_path: Path) -> Path:
    copy = tmp_path / "params.yaml"
    copy.write_bytes(COMMITTED.read_bytes())
    return copy


def written(folder: Path, text: str) -> Path:
    preset = folder / "trial.yaml"
    preset.write_text(text, encoding="utf-8")
    return preset


def test_a_preset_sets_its_values_and_nothing_else(params: Path, tmp_path: Path) -> None:
    before = params.read_text(encoding="utf-8")
    max_steps = load_params(params).train.max_steps

    changes = apply_preset(written(tmp_path, "train: {max_steps: 7, model: {decoder_size: 6}}"), params, force=True)

    assert len(changes) == 2
    assert f"train.max_steps: {max_steps} → 7" in changes
    after = params.read_text(encoding="utf-8")
    lines = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert sorted(new.strip() for _, new in lines) == ["decoder_size: 6", "max_steps: 7"]
    assert load_params(params).train.model.decoder_size == 6


def test_there_and_back_again_restores_every_byte(params: Path) -> None:
    apply_preset(PRESETS / "default.yaml", params, force=True)
    before = params.read_bytes()
    assert apply_preset(PRESETS / "full.yaml", params, force=True)
    assert params.read_bytes() != before
    apply_preset(PRESETS / "default.yaml", params, force=True)
    assert params.read_bytes() == before


def test_a_preset_in_force_is_no_change(params: Path) -> None:
    apply_preset(PRESETS / "full.yaml", params, force=True)
    assert apply_preset(PRESETS / "full.yaml", params, force=True) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {max_step: 7}", r"trial\.yaml: train\.max_step: unknown"),
        ("trian: {max_steps: 7}", r"trial\.yaml: trian: unknown"),
        ("train: 7", r"train: a section on one side"),
        ("train: {max_steps: {a: 7}}", r"train\.max_steps: a section on one side"),
        ("train: {max_steps: -1}", r"trial\.yaml: 1 bad key\(s\):\n  train\.max_steps"),
        ("train: {learning_rate: fast}", r"train\.learning_rate: .*'fast'"),
        ("train: [", r"trial\.yaml: not readable as YAML"),
        ("", r"trial\.yaml: expected sections"),
    ],
)
def test_a_broken_preset_is_named_and_changes_nothing(params: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        apply_preset(written(tmp_path, text), params, force=True)
    assert params.read_bytes() == COMMITTED.read_bytes()


def make_preset(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.preset", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(""), capture_output=True, text=True, check=False)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@t", *arguments], cwd=folder, check=True)


@pytest.mark.parametrize("in_git", [True, False])
def test_values_of_ones_own_are_written_over_only_by_force_and_those_of_presets_always(
    params: Path, tmp_path: Path, in_git: bool
) -> None:
    shutil.copytree(PRESETS, tmp_path / "presets")
    if in_git:
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "1")
    for name in ("full", "full", "small", "default"):
        done = make_preset(tmp_path, name)
        assert done.returncode == 0, done.stderr
    steps = load_params(params).train.max_steps
    params.write_text(params.read_text().replace(f"  max_steps: {steps}\n", "  max_steps: 77\n"))
    own = params.read_bytes()
    done = make_preset(tmp_path, "default")
    assert (done.returncode, done.stdout, params.read_bytes()) == (2, "", own)
    assert "params.yaml: has changes that git does not have." in done.stderr
    assert f"FORCE=1) to write over them: train.max_steps: 77 → {steps}." in done.stderr
    assert "presets/none.yaml: not found" in make_preset(tmp_path, "none").stderr
    if in_git:
        git(tmp_path, "commit", "-qam", "2")
        assert make_preset(tmp_path, "default").returncode == 0
        git(tmp_path, "checkout", "-q", "params.yaml")
        assert params.read_bytes() == own
    assert make_preset(tmp_path, "--force", "default").returncode == 0
    assert load_params(params).train.max_steps == steps


@pytest.mark.parametrize("other", ["split: {test_share: 0.1}\n", "split: {gone: 1}\n", ""])
def test_a_preset_that_holds_few_values_or_does_not_fit_brings_none_of_the_others_back(
    params: Path, tmp_path: Path, other: str
) -> None:
    shutil.copytree(PRESETS, tmp_path / "presets")
    (tmp_path / "presets/other.yaml").write_text(other)
    for name in ("full", "default"):
        done = make_preset(tmp_path, name)
        assert done.returncode == 0, done.stderr
    steps = load_params(params).train.max_steps
    params.write_text(params.read_text().replace(f"  max_steps: {steps}\n", "  max_steps: 77\n"))
    done = make_preset(tmp_path, "default")
    assert (done.returncode, load_params(params).train.max_steps) == (2, 77)
    assert "has changes that git does not have" in done.stderr


def test_an_unknown_preset_names_the_known_ones(params: Path) -> None:
    with pytest.raises(UserError, match=r"presets/none\.yaml: not found\. Known presets: default, full, small\."):
        apply_preset(PRESETS / "none.yaml", params, force=True)


def test_broken_params_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: not found"):
        apply_preset(PRESETS / "full.yaml", tmp_path / "params.yaml", force=True)
