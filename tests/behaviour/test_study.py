"""The study as `make study STUDY_PRESET=tiny` runs it, in a copy of the project over made-up pairs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.behaviour.test_pipeline import environment, make_project, repro, stages_run

STUDY = "study/dvc.yaml"
VERDICTS = {"holds", "does not hold", "not settled"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    make_project(folder, 120)
    command = [sys.executable, "-m", "study.preset", "tiny"]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True)
    done = repro(folder, STUDY)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_run_of_the_matrix_leaves_its_numbers(project: Path) -> None:
    runs = yaml.safe_load((project / "study/params.yaml").read_text())["runs"]
    recall, sizes = runs["recall"], runs["sizes"]
    names = {f"recall/{encoder}-{seed}" for encoder in recall["encoders"] for seed in recall["seeds"]}
    names |= {f"corpus/{encoder}-all" for encoder in runs["encoders"]}
    names |= {f"corpus/{encoder}-{size}" for encoder in sizes["encoders"] for size in sizes["num_pairs"]}
    found = {str(path.relative_to(project / "reports/study"))[:-5] for path in project.glob("reports/study/*/*.json")}
    assert found == names


def test_encoders_are_trained_at_equal_budget_on_the_pairs_that_they_are_given(project: Path) -> None:
    runs = [json.loads(path.read_text()) for path in project.glob("reports/study/corpus/*.json")]
    assert {run["steps"] for run in runs} == {20}
    assert len({len(run["rouge"]["model"]["rouge1"]) for run in runs}) == 1
    assert len({run["num_pairs"] for run in runs}) == 2
    assert {("bilstm", 40), ("feedforward", 40)} < {(run["encoder"], run["num_pairs"]) for run in runs}
    assert all(run["cpu_seconds"] > 0 and run["wall_seconds"] > 0 for run in runs)


def test_the_page_judges_every_claim_and_needs_no_other_file(project: Path) -> None:
    page = (project / "reports/study/index.html").read_text(encoding="utf-8")
    claims = json.loads((project / "reports/study/claims.json").read_text())
    assert len(claims) == 17
    assert {claim["verdict"] for claim in claims} <= VERDICTS
    assert page.count("<img ") == page.count('src="data:image/svg+xml;base64,') == 7
    assert "http" not in page


def test_nothing_runs_again_but_what_a_change_touches(project: Path) -> None:
    assert stages_run(repro(project, STUDY)) == ["locate"]
    path = project / "study/params.yaml"
    values = yaml.safe_load(path.read_text())
    values["claims"]["ratio"] = 1.5
    path.write_text(yaml.safe_dump(values))
    assert stages_run(repro(project, STUDY)) == ["locate", "study/dvc.yaml:page"]
