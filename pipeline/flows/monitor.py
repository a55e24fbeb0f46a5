"""The flow `monitor`: are inputs and outputs still like those that the champion was judged by? If not: `train`."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from pipeline import record
from pipeline.batch import read_batch
from pipeline.flows.champion import fetched
from pipeline.flows.outage import outlasts_outages
from pipeline.flows.train import require_few_starts, run_here
from seq2sum.drift import NO_CONTENTS, Shift, shifts

TRAIN_DEPLOYMENT = "train/train"
# Of trainings that drift started.
DRIFT_TAG = "drift"
# Of the permutation tests.
_SEED = 1


@flow(name="monitor")
@outlasts_outages
def monitor(
    batch: str,
    alpha: float = 0.01,
    distance: float = 0.2,
    min_rows: int = 50,
    cool_down_hours: float = 24,
    most_per_week: int = 3,
    overrides: list[str] | None = None,
) -> dict[str, Any]:
    """Compares the summaries in ``batch`` with the champion's profile, and starts `train` if they drifted.

    ``batch``: a folder that `summarize` wrote, on the disk or in an S3 store. Pieces and embeddings of another version
    than the champion mean something else, and are left out.
    ``alpha`` and ``distance``: see :func:`seq2sum.drift.shifts`; fewer than ``min_rows`` summaries tell nothing.
    Trainings that drift starts have ``cool_down_hours`` between them and are at most ``most_per_week``.
    """
    require_few_starts()
    log = get_run_logger()
    with fetched() as champion:
        profile = record.read_profile(champion.record)
    version, recent = read_batch(batch)
    if version != champion.number:
        log.warning("version %s made the batch: pieces and embeddings are not compared", version)
        recent = recent._replace(contents=NO_CONTENTS)
    num_rows = len(recent.measures["document_words"])
    is_enough = num_rows >= min_rows
    found = shifts(profile, recent, alpha, distance, _SEED) if is_enough else []
    drifted = [shift.measure for shift in found if shift.drifted]
    action = "nothing to do" if is_enough else f"nothing to tell: {min_rows} summaries are asked for"
    if drifted:
        action = start_training(overrides or [], timedelta(hours=cool_down_hours), most_per_week)
    log.info("%d summaries, drifted: %s; %s", num_rows, ", ".join(drifted) or "nothing", action)
    create_markdown_artifact(_report(found, num_rows, champion.number, action), key="drift")
    return {"drifted": drifted, "action": action, "num_rows": num_rows}


def why_not(started: list[datetime], now: datetime, cool_down: timedelta, most_per_week: int) -> str | None:
    """Why drift must not start a training now, given when it ``started`` those before; None if it may."""
    if started and now - max(started) < cool_down:
        return f"no training: the last one began at {max(started):%Y-%m-%d %H:%M} and the cool-down is {cool_down}"
    if sum(now - moment < timedelta(weeks=1) for moment in started) >= most_per_week:
        return f"no training: {most_per_week} began within a week"
    return None


def start_training(overrides: list[str], cool_down: timedelta, most_per_week: int) -> str:
    """Starts `train` unless it must not, once for all monitors that want it at the same time; what was done."""
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(TRAIN_DEPLOYMENT)
        except ObjectNotFound:
            return f"no training: this server has no deployment {TRAIN_DEPLOYMENT} (`make deploy` makes it)"
        earlier: list[FlowRun] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]), tags=FlowRunFilterTags(all_=[DRIFT_TAG])
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        )
    moments = {run.created: run for run in earlier if run.created}
    if reason := why_not(list(moments), datetime.now(UTC), cool_down, most_per_week):
        return reason
    # The server stores a key once, for good: of two who found the same trainings, one starts the next.
    last = moments[max(moments)].id if moments else deployment.id
    run_deployment(
        TRAIN_DEPLOYMENT, parameters={"overrides": overrides}, timeout=0, as_subflow=False, tags=[DRIFT_TAG],
        idempotency_key=f"drift after {last}",
    )  # fmt: skip
    return "training started"


def _report(found: list[Shift], num_rows: int, version: str, action: str) -> str:
    rows = [
        f"| {shift.measure} | {_mean(shift.before)} | {_mean(shift.now)} | {shift.distance:.3f} | {shift.p:.2g} "
        f"| {'**drifted**' if shift.drifted else ''} |"
        for shift in found
    ]
    return "\n".join(
        [
            f"# {num_rows:,} recent summaries beside version {version}'s test set",
            "",
            "| | then | now | distance | p (Holm) | |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
            *rows,
            "",
            action,
            "",
        ]
    )


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.flows.monitor", description=__doc__)
    parser.add_argument("batch", help="a folder or s3://bucket/prefix that `summarize` wrote")
    parser.add_argument("--alpha", type=float, help="how improbable a shift must be by chance (%(default)s)")
    parser.add_argument("--distance", type=float, help="how far it must be, from 0 to 1 (%(default)s)")
    parser.add_argument("--min-rows", type=int, help="fewer summaries tell nothing (%(default)s)")
    parser.add_argument("--cool-down-hours", type=float, help="between trainings that drift starts (%(default)s)")
    parser.add_argument("--most-per-week", type=int, help="trainings that drift starts (%(default)s)")
    run_here(monitor, parser)


if __name__ == "__main__":
    main()
