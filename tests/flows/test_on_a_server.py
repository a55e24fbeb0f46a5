"""Flows beside a Prefect server and a registry: which version they take, what they show and what they remove."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact

from pipeline import publish
from pipeline.flows import progress, train
from pipeline.flows.champion import version_for
from pipeline.flows.maintain import DAY, _old_runs, maintain
from pipeline.flows.monitor import monitor
from pipeline.flows.summarize import summarize
from pipeline.tracking import runs
from seq2sum.errors import UserError
from tests.pipeline.tracking.project import REPO
from tests.servers import MlflowServer, PrefectServer

pytestmark = pytest.mark.slow
DOCUMENTS = [f"The ferry number {number} leaves at noon and comes back before dark." for number in range(5)]
# Trains one step of many and is content.
TRAINER = """
import json, time
from pathlib import Path
from pipeline.supervision import exclusive
folder = Path(".cache/checkpoints/key")
with exclusive(folder):
    line = {"step": 1, "phase": "likelihood", "values": {"train/loss": 1.0}}
    (folder / "journal.jsonl").write_text(json.dumps(line) + "\\n")
    time.sleep(4)
Path("weights").touch()
"""


def shown_by(run: UUID) -> dict[str, Artifact]:
    """The artifacts of a flow run, by their keys or kinds."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return {artifact.key or str(artifact.type): artifact for artifact in found}


def write_documents(source: Path, documents: list[str]) -> None:
    source.mkdir(exist_ok=True)
    (source / "a.jsonl").write_text("".join(json.dumps({"document": text}) + "\n" for text in documents))


def code_of(tree: Path) -> None:
    """A work tree has the commit's code, which commands in it run."""
    for name in ("pipeline", "src"):
        (tree / name).symlink_to(REPO / name)


def test_a_batch_goes_on_with_the_version_that_began_it(
    project: Path, client: MlflowClient, prefect: PrefectServer, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish.publish(publish.read_results()).version
    write_documents(project / "documents", DOCUMENTS[:4])
    assert summarize("documents", "summaries", chunk_rows=2)["version"] == "1"
    made = client.get_model_version("seq2sum", "1")
    client.create_model_version("seq2sum", made.source, made.run_id, tags=dict(first.tags))
    client.set_registered_model_alias("seq2sum", "champion", "2")
    write_documents(project / "documents", DOCUMENTS)
    report = summarize("documents", "summaries", chunk_rows=2)
    assert (report["version"], report["num_rows"], report["num_skipped"]) == ("1", 5, 4)
    log = logging.LoggerAdapter(logging.getLogger("a run"))
    assert version_for("summaries", log) == "1"
    assert "version 1 began this batch and goes on with it; the champion is version 2 now" in caplog.text
    assert summarize("documents", "elsewhere")["version"] == "2"
    client.delete_model_version("seq2sum", "1")
    with pytest.raises(UserError, match=r"summaries: version 1 began this batch.*no longer"):
        summarize("documents", "summaries", chunk_rows=2)
    # A small batch is no failure.
    assert monitor("elsewhere") == {
        "drifted": [],
        "action": "nothing to tell: 50 summaries are asked for",
        "num_rows": 5,
    }


def test_the_training_s_runs_on_both_servers_lead_to_each_other(
    project: Path, prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_of(project)
    sample = {"document": "d", "reference": "r", "hypothesis": "h"}
    (project / "reports/samples.jsonl").write_text(json.dumps(sample) + "\n")
    (project / "reports/plots").mkdir()
    (project / "reports/plots/curves.png").write_bytes(b"\x89PNG")

    @flow
    def publishing() -> dict[str, Any]:
        _, settings = train.begin(None, None)
        return train.publish(project, settings, None)

    server = MlflowServer(project, f"sqlite:///{project}/mlflow.db", f"{project}/mlartifacts")
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        state = publishing(return_state=True)
        run, published = state.state_details.flow_run_id, state.result()
        link = str(shown_by(run)["mlflow-run"].data)
        assert f"({server.uri}/#/experiments/" in link
        assert f"/runs/{published['run_id']})" in link
        tags = MlflowClient(server.uri).get_run(published["run_id"]).data.tags
        assert tags["flow_run"] == f"{prefect.api.removesuffix('/api')}/runs/flow-run/{run}"
    finally:
        server.kill()


def test_a_training_that_ends_early_is_shown_as_done(
    tmp_path: Path, prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.2)
    code_of(tmp_path)
    (tmp_path / "params.yaml").write_text((REPO / "params.yaml").read_text())
    (tmp_path / "trainer.py").write_text(TRAINER)
    (tmp_path / "dvc.yaml").write_text("stages: {train: {cmd: python trainer.py, outs: [weights]}}")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)
    shares, update = list[float](), progress.TrainingProgress._show

    def seen(self: progress.TrainingProgress, percent: float) -> None:
        shares.append(percent)
        update(self, percent)

    monkeypatch.setattr(progress.TrainingProgress, "_show", seen)

    @flow
    def training() -> None:
        train.run_stage(train.TRAIN_STAGE, tmp_path, {}, None, False)

    state = training(return_state=True)
    assert state.is_completed()
    assert shares[0] < 1
    with get_client(sync_client=True) as client:
        whole = [artifact.data for artifact in client.read_artifacts() if artifact.type == "progress"]
    assert whole == [100.0]


def test_old_runs_that_no_version_needs_are_listed_and_deleted_when_asked(
    project: Path, client: MlflowClient, prefect: PrefectServer
) -> None:
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, check=True)
    (project / "dvc.yaml").write_text("stages: {never made: {cmd: date > made, outs: [made]}}")
    (project / "dvc.lock").unlink()
    commit = ["git", "-c", "user.name=D", "-c", "user.email=d@localhost", "commit", "--quiet", "--message", "DVC"]
    for number in range(3):
        (project / "change").write_text(str(number))
        subprocess.run(["git", "add", "change", "dvc.yaml"], check=True)
        subprocess.run(commit, check=True)
    now = round(1000 * time.time())
    made = {}
    for name, days, status in (
        ("unneeded", 40, "FINISHED"),
        ("failed", 35, "FAILED"),
        ("foreign", 40, "FINISHED"),
        ("registered", 40, "FINISHED"),
        ("young", 20, "FINISHED"),
        ("running", 40, None),
    ):
        made[name] = runs.find_or_make_run(client, name, now - days * 1000 * DAY)
        if status:
            client.set_terminated(made[name], status, now - days * 1000 * DAY)
    client.delete_tag(made["foreign"], runs.TRAIN_KEY_TAG)
    client.create_registered_model("of another name")
    client.create_model_version("of another name", "file:///nowhere", made["registered"])

    def alive() -> set[str]:
        return {name for name, run in made.items() if client.get_run(run).info.lifecycle_stage == "active"}

    state = maintain(return_state=True)
    listed, page = state.result(), str(shown_by(state.state_details.flow_run_id)["maintenance"].data)
    assert made["unneeded"] in page
    # Once of the work tree, once of all three commits.
    assert page.count("missing version info") == 2
    assert sorted(line.split()[-1] for line in listed["runs"]) == sorted([made["unneeded"], made["failed"]])
    assert alive() == set(made)
    assert maintain(dry_run=False)["runs"] == listed["runs"]
    assert alive() == set(made) - {"unneeded", "failed"}
    assert maintain(dry_run=False)["runs"] == []


def test_runs_that_were_deleted_before_the_server_was_lost_are_told(
    project: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        client.set_terminated(runs.find_or_make_run(client, f"{number}"), end_time=1)
    delete, deleted = MlflowClient.delete_run, list[str]()

    def delete_one(self: MlflowClient, run_id: str) -> None:
        if deleted:
            raise MlflowException("Connection refused")
        delete(self, run_id)
        deleted.append(run_id)

    monkeypatch.setattr(MlflowClient, "delete_run", delete_one)
    told = _old_runs(30, dry_run=False, log=logging.LoggerAdapter(logging.getLogger("a run")))
    assert [line.split()[-1] for line in told] == deleted
    assert "other runs are left as they are" in caplog.text


def test_what_a_person_can_mend_is_told_without_the_way_through_the_code(
    tmp_path: Path, prefect: PrefectServer
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.flows.summarize", "documents", "summaries"],
        cwd=tmp_path, env=prefect.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (2, False), done.stderr
    assert "\nseq2sum: No model is registered here" in done.stderr
