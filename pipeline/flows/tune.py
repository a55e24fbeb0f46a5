"""The flow `tune`: trainings of the commit at hand with params drawn from tune.yaml. `python -m pipeline.flows.tune`.

What it finds are overrides for `train`. Several runs of it, on machines that share a storage and a commit, share the
search; one that is killed goes on.
"""

import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from pipeline import paths
from pipeline.flows import dvc_cli
from pipeline.flows.command import CommandError
from pipeline.flows.lease import leased
from pipeline.flows.outage import outlasts_outages
from pipeline.flows.progress import points_so_far
from pipeline.flows.retries import is_lost
from pipeline.flows.search_space import TuneParams, as_overrides, draw, load_space
from pipeline.flows.train import RETRIES, RETRY_SECONDS, TRAIN_STAGE, begin, command_line, run_here, run_stage
from pipeline.flows.trials import finished, opened_study, search
from pipeline.flows.workspace import environment, set_overrides, workspace
from pipeline.tracking.journal import Point, read_journal
from seq2sum.errors import UserError

CRITERION = "validation/loss"
POLL_SECONDS = 2.0


class Watch:
    """Call it as often as you like: it tells the trial the losses of its training, and raises TrialPruned."""

    def __init__(self, trial: optuna.Trial, tree: Path) -> None:
        self._trial, self._tree, self._look_at = trial, tree, time.monotonic()
        self._step = -1

    def __call__(self) -> None:
        """Looks every POLL_SECONDS."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + POLL_SECONDS
        if self.tell(losses(points_so_far(self._tree))) and self._trial.should_prune():
            raise optuna.TrialPruned

    def tell(self, points: list[Point]) -> bool:
        """Tells the trial what is new; whether anything was."""
        # A training that goes on from its checkpoint writes some points again.
        new = [point for point in points if point.step > self._step]
        for point in new:
            self._step = point.step
            self._trial.report(point.value, point.step)
        return bool(new)


@task(
    name="trial", task_run_name="trial {trial.number}", cache_policy=NO_CACHE,
    retries=RETRIES, retry_delay_seconds=RETRY_SECONDS, retry_condition_fn=is_lost,
)  # fmt: skip
def run_trial(trial: optuna.Trial, tree: Path, settings: dict[str, str], deadline: float | None) -> float | None:
    """Trains as the work tree's params say; the best validation loss, or None if it was given up before."""
    log = get_run_logger()
    arguments, watch = ["repro", TRAIN_STAGE], Watch(trial, tree)
    try:
        with dvc_cli.whole_lock(tree):
            dvc_cli.dvc(tree, environment(tree, settings), arguments, log.info, watch, deadline)
    except optuna.TrialPruned:
        log.info("given up: others had a lower loss at that step")
        return None
    except CommandError as error:
        if error.is_lost:
            raise
        # Params at the edge of the space may diverge; the search goes on.
        log.warning("%s", error)
        trial.set_user_attr("error", str(error).splitlines()[-1])
        return None
    points = losses(read_journal(tree / paths.JOURNAL))
    # Those since the last look; all, where DVC had the result.
    watch.tell(points)
    return min(point.value for point in points)


def losses(points: list[Point]) -> list[Point]:
    """The validation losses of a training."""
    return [point for point in points if point.key == CRITERION]


@flow(name="tune", persist_result=True, result_serializer="json")
@outlasts_outages
def tune(
    overrides: list[str] | None = None,
    num_trials: int | None = None,
    experiment: str | None = None,
    num_devices: int = 1,
    timeout_minutes: float | None = None,
) -> dict[str, Any]:
    """Searches with ``overrides`` for all trials; the best trial's overrides, its loss and the trials that counted.

    ``num_trials``: another number than that in tune.yaml, those of earlier runs and other workers included.
    """
    log: Any = get_run_logger()
    deadline, settings = begin(experiment, timeout_minutes)
    fixed = overrides or []
    with workspace(str(flow_run.id), fixed, deadline) as tree:
        params = load_space(tree)
        study = opened_study(study_name(tree, fixed, params), params)
        stages = dvc_cli.stages(tree)
        for name in stages[: stages.index(TRAIN_STAGE)]:
            run_stage(name, tree, settings, deadline, pull=False)

        def objective(trial: optuna.Trial) -> float:
            drawn = draw(trial, params.space)
            log.info("trial %d: %s", trial.number, " ".join(drawn))
            set_overrides(tree / paths.PARAMS, drawn)
            with leased(num_devices, flow_run.id, log, deadline) as device:
                loss = run_trial(trial, tree, settings | device, deadline)
            if loss is None:
                raise optuna.TrialPruned
            return loss

        search(study, num_trials or params.num_trials, objective, lambda: show_trials(study))
    return show_best(study, fixed)


def study_name(tree: Path, fixed: list[str], params: TuneParams) -> str:
    """Of the commit and all that is asked, since only losses of the same code and data can be compared."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree, capture_output=True, text=True, check=True)
    asked = json.dumps([fixed, params.model_dump(exclude={"num_trials"})])
    return f"{commit.stdout[:12]}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


def show_trials(study: optuna.Study) -> None:
    """A table of the trials so far, the best first."""
    trials = sorted(
        study.get_trials(deepcopy=False), key=lambda trial: float("inf") if trial.value is None else trial.value
    )
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "loss": None if trial.value is None else round(trial.value, 4),
            "steps": trial.last_step,
            **{name: round(value, 6) if isinstance(value, float) else value for name, value in trial.params.items()},
        }
        for trial in trials
    ]
    create_table_artifact(rows, key="trials", description=f"search {study.study_name}")


def show_best(study: optuna.Study, fixed: list[str]) -> dict[str, Any]:
    """The best trial's overrides, also as an artifact. Raises UserError if no trial ended."""
    ended = finished(study)
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    if not complete:
        errors = [trial.user_attrs["error"] for trial in ended if "error" in trial.user_attrs]
        raise UserError(f"none of {len(ended)} trials ended; the last one said: {errors[-1] if errors else 'nothing'}")
    best = study.best_trial
    found = [*fixed, *as_overrides(best.params)]
    lines = [
        f"# Validation loss {best.value:.4f}: trial {best.number}",
        "",
        f"Of {len(ended)} trials {len(ended) - len(complete)} were given up early. For `train`:",
        "",
        "```",
        f"overrides={json.dumps(found)}",
        "```",
        "",
    ]
    create_markdown_artifact("\n".join(lines), key="best-params")
    get_run_logger().info("loss %.4f: %s", best.value, " ".join(found))
    return {"overrides": found, "loss": best.value, "num_trials": len(ended)}


def main() -> None:
    """The command line."""
    parser = command_line("tune", __doc__)
    parser.add_argument("--num-trials", type=int, help="in place of the number in tune.yaml")
    run_here(tune, parser)


if __name__ == "__main__":
    main()
