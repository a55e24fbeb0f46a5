"""A factory of one worker on a real Prefect server; `make chaos` plays the longer rounds."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from pipeline.flows.lease import ensure_limit
from tests.behaviour.corpus import ROOT
from tests.demonstration.chaos import play_round
from tests.demonstration.parts import Factory, slots, start_runs, states
from tests.demonstration.registry import commit
from tests.flows.stand_in import NUM_STEPS
from tests.servers import wait_for

DAY = 86_400


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    running = Factory(tmp_path_factory.mktemp("factory"))
    try:
        running.start()
        with temporary_settings({PREFECT_API_URL: running.server.api}):
            yield running
    finally:
        running.stop()


@pytest.mark.slow
def test_a_killed_trainer_is_started_again_and_ends_in_the_same(factory: Factory) -> None:
    assert "1 processes" in (play_round(factory, "trainer", 2.0, 2) or "")


@pytest.mark.slow
def test_a_round_that_found_nothing_to_kill_does_not_count(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "kill", lambda _victim: 0)
    assert play_round(factory, "trainer", 0.0, 4) is None


def test_flows_that_meet_a_device_first_at_the_same_time_do_not_fail(factory: Factory) -> None:
    together = threading.Barrier(8)

    def meet(round_number: int) -> None:
        # Threads do not inherit the settings of the fixture.
        with temporary_settings({PREFECT_API_URL: factory.server.api}), get_client(sync_client=True) as client:
            together.wait()
            ensure_limit(client, f"new device {round_number}")

    with ThreadPoolExecutor(8) as pool:
        for number in range(3):
            list(pool.map(meet, [number] * 8))


@pytest.mark.slow
def test_cancelling_ends_all_processes_and_leaves_checkpoint_and_device(factory: Factory) -> None:
    (run,) = start_runs(["train.seed=9"])
    checkpoint = factory.project / ".cache/checkpoints/9/state.json"
    wait_for(checkpoint.exists, 300)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())
    wait_for(lambda: states([run]) == ["CANCELLED"], 300)
    wait_for(lambda: not factory.flows(), 60)
    assert factory.trainers() == factory.find("-m", "dvc") == []
    assert json.loads(checkpoint.read_text())[0] > 0
    wait_for(lambda: slots() == 0, 90)


def test_a_schedule_makes_runs(factory: Factory) -> None:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("maintain/maintain")
        mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
        wait_for(lambda: client.read_flow_runs(flow_run_filter=mine), 120)


def test_what_is_old_is_listed_first_and_removed_when_asked(factory: Factory) -> None:
    checkpoints = factory.project / ".cache/checkpoints"
    for name, age in (("old", 3 * DAY), ("new", 0)):
        (checkpoints / name).mkdir(parents=True)
        for path in (checkpoints / name / "state.json", checkpoints / name):
            path.touch()
            os.utime(path, (time.time() - age,) * 2)
    for arguments, left in (([], {"old", "new"}), (["--remove"], {"new"})):
        run_flow(factory, "maintain", "--keep-days", "2", *arguments)
        assert {path.name for path in checkpoints.iterdir()} & {"old", "new"} == left


def test_the_template_of_a_cluster_is_a_work_pool_that_asks_for_gpus(factory: Factory) -> None:
    template = ROOT / "deploy/kubernetes-gpu.json"
    create = ["work-pool", "create", "cluster", "--type", "kubernetes", "--base-job-template", str(template)]
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *create], env=factory.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as client:
        assert client.read_work_pool("cluster").base_job_template == json.loads(template.read_text())
        flow = client.read_deployment_by_name("train/train").flow_id
        asked = {"num_gpus": 4, "node_selector": {"gpu": "large"}}
        client.create_deployment(flow, "on a cluster", work_pool_name="cluster", job_variables=asked)
        with pytest.raises(PrefectHTTPStatusError, match="num_gpus"):
            client.create_deployment(flow, "bad", work_pool_name="cluster", job_variables={"num_gpus": "four"})


@pytest.mark.slow
def test_a_search_gives_up_worse_trainings_and_finds_overrides_for_train(factory: Factory) -> None:
    space = {"train.seed": {"low": 20, "high": 90}}
    pruner = {"free_trials": 1, "free_steps": 0}
    search = {"seed": 3, "num_trials": 3, "random_trials": 9, "pruner": pruner, "space": space}
    (factory.project / "tune.yaml").write_text(yaml.safe_dump(search))
    commit(factory.project, "a small search")
    run_flow(factory, "tune", "train.weight_decay=0.02")
    found = shown("best-params")
    seeds = {row["train.seed"]: row for row in json.loads(shown("trials"))}
    # The first is the best.
    assert [seeds[seed]["state"] for seed in sorted(seeds)] == ["complete", "pruned", "pruned"]
    assert [seeds[seed]["steps"] < NUM_STEPS for seed in sorted(seeds)] == [False, True, True]
    assert f'overrides=["train.weight_decay=0.02", "train.seed={min(seeds)}"]' in found
    assert factory.trainers() == factory.find("-m", "dvc") == []


def shown(key: str) -> str:
    """The newest artifact of that key."""
    with get_client(sync_client=True) as client:
        newest = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(max(newest, key=lambda artifact: artifact.created).data)


def run_flow(factory: Factory, name: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"pipeline.flows.{name}", *arguments],
        cwd=factory.project, env=factory.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
