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
from prefect.deployments import run_deployment
from prefect.logging import get_run_logger

from pipeline import record
from pipeline.batch import read_batch
from pipeline.flows.champion import fetched_champion
from seq2sum.drift import NO_CONTENTS, Shift, shifts
from seq2sum.errors import UserError

TRAIN_DEPLOYMENT = "train/train"
# Of trainings that drift started.
DRIFT_TAG = "drift"
# Of the permutation tests.
_SEED = 1


@flow(name="monitor")
def monitor(
    batch: str,
    alpha: float,
    distance: float,
    min_rows: int,
    cool_down_hours: float,
    most_per_week: int,
    overrides: list[str] | None = None,
) -> dict[str, Any]:
    """Compares the summaries in ``batch`` with the champion's profile, and starts `train` if they drifted.

    ``batch``: a folder that `summarize` wrote, on the disk or in an S3 store. Pieces and embeddings of another version
    than the champion mean something else, and are left out.
    ``alpha`` and ``distance``: see :func:`seq2sum.drift.shifts`. Trainings that drift starts have ``cool_down_hours``
    between them and are at most ``most_per_week``. Raises UserError for fewer than ``min_rows`` summaries.
    """
    log = get_run_logger()
    with fetched_champion() as champion:
        profile = record.read_profile(champion.record)
    version, recent = read_batch(batch)
    if version != champion.number:
        log.warning("version %s made the batch: pieces and embeddings are not compared", version)
        recent = recent._replace(contents=NO_CONTENTS)
    num_rows = len(recent.measures["document_words"])
    if num_rows < min_rows:
        raise UserError(f"{batch}: {num_rows} summaries are too few to tell drift; {min_rows} are asked for.")
    found = shifts(profile, recent, alpha, distance, _SEED)
    drifted = [shift.measure for shift in found if shift.drifted]
    action = "nothing to do"
    if drifted:
        reason = why_not(_earlier_trainings(), datetime.now(UTC), timedelta(hours=cool_down_hours), most_per_week)
        action = reason or "training started"
        if reason is None:
            run_deployment(
                TRAIN_DEPLOYMENT,
                parameters={"overrides": overrides or []},
                timeout=0,
                as_subflow=False,
                tags=[DRIFT_TAG],
            )
    log.info("drifted: %s; %s", ", ".join(drifted) or "nothing", action)
    create_markdown_artifact(_report(found, num_rows, champion.number, action), key="drift")
    return {"drifted": drifted, "action": action, "num_rows": num_rows}


def why_not(started: list[datetime], now: datetime, cool_down: timedelta, most_per_week: int) -> str | None:
    """Why drift must not start a training now, given when it ``started`` those before; None if it may."""
    if started and now - max(started) < cool_down:
        return f"no training: the last one began at {max(started):%Y-%m-%d %H:%M} and the cool-down is {cool_down}"
    if sum(now - moment < timedelta(weeks=1) for moment in started) >= most_per_week:
        return f"no training: {most_per_week} began within a week"
    return None


def _earlier_trainings() -> list[datetime]:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(TRAIN_DEPLOYMENT)
        runs: list[FlowRun] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]), tags=FlowRunFilterTags(all_=[DRIFT_TAG])
            )
        )
    return [run.created for run in runs if run.created]


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
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--distance", type=float, required=True)
    parser.add_argument("--min-rows", type=int, required=True)
    parser.add_argument("--cool-down-hours", type=float, required=True)
    parser.add_argument("--most-per-week", type=int, required=True)
    monitor(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
