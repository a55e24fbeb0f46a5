"""The deployments on a real server: what starts `monitor`, and how often that starts `train`."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed, Running

from pipeline.flows import monitor
from tests.behaviour.corpus import ROOT
from tests.servers import PrefectServer, wait_for

pytestmark = pytest.mark.slow
# Its way into the parameters leads through a template.
TARGET = 's3://team\'s bucket/{{ summaries }} of "today" & <more>'


@pytest.fixture(scope="module")
def deployed(prefect: PrefectServer) -> PrefectServer:
    for command in (["pipeline.flows.healing"], ["prefect", "--no-prompt", "deploy", "--all"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT, env=prefect.environment | {"PWD": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return prefect


def runs_of(name: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
        mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
        return list(client.read_flow_runs(flow_run_filter=mine))


def test_a_batch_that_is_completed_is_monitored_and_no_other(deployed: PrefectServer) -> None:
    with get_client(sync_client=True) as client:
        batches = client.read_deployment_by_name("summarize/summarize").id
        for target, end in (("failed", Failed()), (TARGET, Completed())):
            parameters = {"source": "documents", "target": target}
            run = client.create_flow_run_from_deployment(batches, parameters=parameters, state=Running())
            client.set_flow_run_state(run.id, end)
        wait_for(lambda: runs_of("monitor/monitor"), 120)
    # A server whose database is busy may act on an event twice, which is why a drift starts one training at most.
    assert {json.dumps(run.parameters) for run in runs_of("monitor/monitor")} == {json.dumps({"batch": TARGET})}


def test_monitors_that_find_drift_at_the_same_time_start_one_training(
    deployed: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, run_deployment = threading.Barrier(3), monitor.run_deployment

    def wait_and_run(*arguments: Any, **more: Any) -> Any:
        together.wait(120)
        return run_deployment(*arguments, **more)

    def start(number: int) -> str:
        # Threads do not inherit the settings of the fixture.
        with temporary_settings({PREFECT_API_URL: deployed.api}):
            return monitor.start_training([f"train.seed={number}"], timedelta(hours=1), 3)

    monkeypatch.setattr(monitor, "run_deployment", wait_and_run)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(start, range(3))) == ["training started"] * 3
    assert len(runs_of("train/train")) == 1
    assert "cool-down" in start(3)
    monkeypatch.setattr(monitor, "run_deployment", run_deployment)
    with temporary_settings({PREFECT_API_URL: deployed.api}):
        assert monitor.start_training([], timedelta(0), 3) == "training started"
    assert len(runs_of("train/train")) == 2


def test_a_deployment_that_was_deleted_and_made_again_is_started_again(
    deployed: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "TRAIN_DEPLOYMENT", "train/again")
    with get_client(sync_client=True) as client:
        flow = client.read_deployment_by_name("train/train").flow_id
        for _ in range(2):
            made = client.create_deployment(flow, "again")
            assert monitor.start_training([], timedelta(hours=1), 3) == "training started"
            (run,) = runs_of("train/again")
            # Runs that wait go with their deployment.
            client.set_flow_run_state(run.id, Completed(), force=True)
            client.delete_deployment(made)


def test_drift_where_nothing_is_deployed_is_told_and_fails_nothing(
    prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "TRAIN_DEPLOYMENT", "train/not-deployed")
    assert "make deploy" in monitor.start_training([], timedelta(0), 3)
