"""The flow `train`: stages → publish → gate → champion or not. `python -m pipeline.flows.train` runs it here.

It may be killed at any moment and started again: DVC skips the stages that are done, the trainer goes on from its
checkpoint, publishing and judging the same results again change nothing.
"""

import argparse
import asyncio
import inspect
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import Flow, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from pipeline.flows import command, dvc_cli
from pipeline.flows.command import CommandError
from pipeline.flows.lease import leased
from pipeline.flows.notify import tell, tell_end
from pipeline.flows.outage import outlasts_outages
from pipeline.flows.progress import TrainingProgress
from pipeline.flows.retries import WAIT_SECONDS, is_lost, may_pass, transfer_may_pass
from pipeline.flows.showing import show_results, show_verdict
from pipeline.flows.workspace import environment, workspace
from pipeline.lineage import FLOW_RUN_VARIABLE
from seq2sum.errors import UserError

# From this stage on a device is needed.
TRAIN_STAGE = "train"
# A run that is lost this often has a reason that another attempt does not mend.
MOST_STARTS = 12
# Of a stage that was killed.
RETRIES, RETRY_SECONDS = 3, 5
_KEPT_STATUS = 1  # of `pipeline.promote`: judged and not promoted


def require_few_starts() -> None:
    """Raises UserError if the flow run was lost and started again too often."""
    if flow_run.run_count > MOST_STARTS:
        raise UserError(f"the run was lost {MOST_STARTS} times; look for the reason before you start it again.")


def deadline_of(first_start: datetime, timeout_minutes: float) -> float:
    """The end, by this process's monotonic clock, of a run that first began then: what was lost of it counts too."""
    passed = (datetime.now(UTC) - first_start).total_seconds()
    return time.monotonic() + 60 * timeout_minutes - passed


def begin(experiment: str | None, timeout_minutes: float | None) -> tuple[float | None, dict[str, str]]:
    """The deadline, and the settings of all commands, of a flow run that begins or goes on.

    Raises UserError if it was lost and started again too often.
    """
    require_few_starts()
    deadline = None
    if timeout_minutes is not None:
        with get_client(sync_client=True) as client:
            first_start = client.read_flow_run(flow_run.id).start_time
        deadline = deadline_of(first_start or datetime.now(UTC), timeout_minutes)
    # The runtime's `ui_url` is no page where there is no server, and one that has moved where there is.
    settings = {FLOW_RUN_VARIABLE: url_for("flow-run", obj_id=flow_run.id) or str(flow_run.id)}
    return deadline, settings | ({"MLFLOW_EXPERIMENT_NAME": experiment} if experiment else {})


@task(
    name="stage", task_run_name="{name}", cache_policy=NO_CACHE,
    retries=RETRIES, retry_delay_seconds=RETRY_SECONDS, retry_condition_fn=is_lost,
)  # fmt: skip
def run_stage(name: str, tree: Path, settings: dict[str, str], deadline: float | None, pull: bool) -> None:
    """Has DVC run one stage, or skip it if nothing has changed that it needs; ``pull``: takes what others made."""
    tell = dvc_cli.without_hints(get_run_logger().info)
    progress = TrainingProgress(tree) if name == TRAIN_STAGE else None
    arguments = ["repro", "--single-item", *(["--pull"] if pull else []), name]
    with dvc_cli.whole_lock(tree):
        dvc_cli.dvc(tree, environment(tree, settings), arguments, tell, progress or (lambda: None), deadline)
    if progress:
        progress.end()


@task(
    name="transfer",
    task_run_name="dvc {verb}",
    cache_policy=NO_CACHE,
    retries=len(WAIT_SECONDS),
    retry_delay_seconds=WAIT_SECONDS,
    retry_condition_fn=transfer_may_pass,
)
def transfer(verb: str, tree: Path, deadline: float | None) -> None:
    """Fetches from DVC's remote what runs are known there (`pull`), or sends results and runs (`push`)."""
    arguments = [verb, "--run-cache", *(["--allow-missing"] if verb == "pull" else [])]
    dvc_cli.dvc(tree, environment(tree), arguments, get_run_logger().info, deadline=deadline)


@task(cache_policy=NO_CACHE, retries=len(WAIT_SECONDS), retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=may_pass)
def publish(tree: Path, settings: dict[str, str], deadline: float | None) -> dict[str, Any]:
    """Brings MLflow up to the results; what was published."""
    arguments = [sys.executable, "-m", "pipeline.publish", "--json"]
    lines = command.run(arguments, tree, environment(tree, settings), get_run_logger().info, deadline=deadline)
    published: dict[str, Any] = json.loads(next(line for line in lines if line.startswith("{")))
    show_results(tree, published)
    return published


@task(cache_policy=NO_CACHE, retries=len(WAIT_SECONDS), retry_delay_seconds=WAIT_SECONDS, retry_condition_fn=may_pass)
def judge(version: str, tree: Path, settings: dict[str, str], deadline: float | None) -> dict[str, Any]:
    """Judges the version against the champion, which it becomes if it is proven better; the gate's verdict."""
    arguments = [sys.executable, "-m", "pipeline.promote", version, "--unattended"]
    log = get_run_logger()
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        # The verdict's JSON names files of the work tree, which goes.
        if "{" not in lines:
            log.info(line)

    try:
        command.run(arguments, tree, environment(tree, settings), keep, deadline=deadline)
    except CommandError as error:
        if error.status != _KEPT_STATUS or "{" not in lines:
            raise
    promotion: dict[str, Any] = json.loads("\n".join(lines[lines.index("{") : lines.index("}") + 1]))
    show_verdict(tree, promotion)
    return promotion


# With a result that was kept the server lets no completed run begin again.
@flow(
    name="train", persist_result=True, result_serializer="json",
    on_failure=[tell_end], on_crashed=[tell_end], on_cancellation=[tell_end],
)  # fmt: skip
@outlasts_outages
def train(
    overrides: list[str] | None = None,
    experiment: str | None = None,
    num_devices: int = 1,
    timeout_minutes: float | None = None,
    pull: bool = False,
    push: bool | None = None,
    notify: str | None = None,
) -> dict[str, Any]:
    """Trains the commit at hand, with ``overrides`` like ``train.seed=2``; the gate's verdict on the result.

    Nothing is returned where another process of the same run was faster. ``push`` sends data and weights to DVC's
    remote; where it is not said, if there is a default one. ``notify`` names a Prefect notification block,
    such as ``slack-webhook/team``, that is told how it ended.
    """
    log: Any = get_run_logger()
    deadline, settings = begin(experiment, timeout_minutes)
    with workspace(str(flow_run.id), overrides or [], deadline) as tree:
        if _is_over():
            log.info("another process has finished this run meanwhile")
            return {}
        if pull:
            transfer("pull", tree, deadline)
        if push is None:
            push = dvc_cli.has_default_remote(tree, environment(tree))
        promotion = _make_and_judge(tree, settings, num_devices, deadline, pull, push, log)
    message = f"version {promotion['challenger']}: {promotion['decision']} ({'; '.join(promotion['reasons'])})"
    log.info(message)
    if promotion["kept"]:
        log.info("the whole verdict: %s", promotion["kept"])
    if notify:
        asyncio.run(tell(notify, message, log))
    return promotion


def _is_over() -> bool:
    """Whether the run was finished while this process waited for its work tree.

    A worker reports a crash twice, and by the second time the run may go on already: then it is started once more.
    """
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run.id).state
    return state is not None and state.is_completed()


def _make_and_judge(
    tree: Path, settings: dict[str, str], num_devices: int, deadline: float | None, pull: bool, push: bool, log: Any
) -> dict[str, Any]:
    stages = dvc_cli.stages(tree)
    first = stages.index(TRAIN_STAGE)
    for name in stages[:first]:
        run_stage(name, tree, settings, deadline, pull)
    with leased(num_devices, flow_run.id, log, deadline) as device:
        for name in stages[first:]:
            run_stage(name, tree, settings | device, deadline, pull)
        # No version is registered, let alone champion, whose data and weights no remote has.
        if push:
            transfer("push", tree, deadline)
        published = publish(tree, settings | device, deadline)
        promotion: dict[str, Any] = judge(published["version"], tree, settings | device, deadline)
    return promotion


def command_line(name: str, description: str | None) -> argparse.ArgumentParser:
    """What the command lines of flows that train have in common."""
    parser = argparse.ArgumentParser(prog=f"python -m pipeline.flows.{name}", description=description)
    parser.add_argument("overrides", nargs="*", metavar="SECTION.KEY=VALUE", help="params to change for this run")
    parser.add_argument("--experiment", help="the MLflow experiment")
    parser.add_argument("--num-devices", type=int)
    parser.add_argument("--timeout-minutes", type=float)
    return parser


def run_here(flow: Flow[..., Any], parser: argparse.ArgumentParser) -> None:
    """Runs the flow with what the command line says, and else with the flow's own defaults, as deployments do.

    What the user can mend is told without the way through the code; the exit status is then 2.
    """
    params = inspect.signature(flow.fn).parameters.values()
    parser.set_defaults(**{param.name: param.default for param in params if param.default is not param.empty})
    arguments = parser.parse_args()
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_way_to_user_error)
    try:
        flow(**vars(arguments))
    except UserError as error:
        print(f"seq2sum: {error}", file=sys.stderr)
        sys.exit(2)


def _without_way_to_user_error(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], UserError):
        record.exc_info = None
    return True


def main() -> None:
    """The command line."""
    parser = command_line("train", __doc__)
    parser.add_argument("--pull", action="store_true", help="take what DVC's remote has rather than make it")
    send = "send to DVC's remote, before publishing (default: if there is a default remote)"
    parser.add_argument("--push", action=argparse.BooleanOptionalAction, help=send)
    run_here(train, parser)


if __name__ == "__main__":
    main()
