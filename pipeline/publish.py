"""Publishes what `dvc repro` made: the run, its curves, scores and files, and a version in the model registry.

`python -m pipeline.publish` may be run at any time and again: what MLflow has already is not sent twice.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import lineage, paths, record
from pipeline.degenerate import degenerate_note
from pipeline.jsonfile import read_json
from pipeline.tracking import championship, connection, registry, runs
from pipeline.tracking.follow import TRAINER_TAG, Trainer, is_running, outcome_of
from pipeline.tracking.journal import PACE_NAME, Point, read_growing_journal, read_journal
from pipeline.tracking.outbox import opened_outbox
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.evaluation.table import scores_table
from seq2sum.params_file import load_params, read_section

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The live follower ends within seconds of its training, but on a busy machine its low priority makes minutes of them.
FOLLOWER_SECONDS = 300.0


class Results(NamedTuple):
    """What the stages left behind, read and checked before anything is sent."""

    points: list[Point]
    train: dict[str, Any]
    scores: dict[str, Any]
    search: SearchParams
    data: dict[Path, lineage.TrackedFile]
    publish_key: str

    @property
    def train_key(self) -> str:
        """What names the training: the hash of its data, settings and code."""
        return str(self.train["train_key"])

    @property
    def last_step(self) -> int:
        """The training's last step in the journal."""
        return max((point.step for point in self.points), default=0)


class Published(NamedTuple):
    """Where the results are now."""

    run_id: str
    experiment_id: str
    version: registry.Version
    is_new: bool
    kept_params: list[str]


def read_results() -> Results:
    """Raises UserError naming the file that is missing or damaged."""
    load_params(paths.PARAMS)
    data = lineage.tracked_files(paths.DVC_LOCK)
    lineage.require_unchanged(paths.PARAMS, paths.DVC_LOCK)
    train, scores = read_json(paths.TRAIN_REPORT), read_json(paths.SCORES)
    for path, report, key in ((paths.TRAIN_REPORT, train, "train_key"), (paths.SCORES, scores, "systems")):
        if key not in report:
            raise UserError(f"{path}: has no {key!r}. Run `dvc repro` again.")
    # How long the training took is no part of what it made.
    judged = {key: value for key, value in scores.items() if key != "train"}
    identity = [train["train_key"], lineage.folder_fingerprint(paths.MODEL), judged]
    return Results(
        points=read_journal(paths.JOURNAL),
        train=train,
        scores=scores,
        search=read_section(paths.MODEL / "search.json", SearchParams),
        data=data,
        publish_key=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
    )


def publish(results: Results) -> Published:
    """Brings MLflow up to ``results``; standard error tells each step.

    Raises UserError if MLflow can't be reached or refuses.
    """
    _say(f"publishing to {connection.without_password(connection.tracking_uri())}")
    client = connection.connect(may_create=True)
    checkpoints = paths.CHECKPOINTS / results.train_key
    _say("the run: curves (after those that the training still sends), params, tags, scores")
    with connection.mlflow_errors(), opened_outbox(checkpoints, FOLLOWER_SECONDS) as outbox:
        started = time.time_ns() // 1_000_000 - round(1000 * results.train.get("wall_seconds", 0))
        run_id = runs.find_or_make_run(client, results.train_key, started)
        runs.close_dead_runs(client, TRAINER_TAG, is_running, outcome_of)
        # From here on no other machine's training sends points; and if this process is killed, the next closes the run.
        runs.set_tags(client, run_id, {TRAINER_TAG: Trainer(os.getpid()).tag})
        run = client.get_run(run_id)
        outbox.add([*results.points, *read_growing_journal(checkpoints / PACE_NAME)])
        runs.PointSender(client, run_id).send(outbox)
        kept_params = runs.log_params(client, run_id, lineage.flat_params(paths.PARAMS))
        # The commit at hand holds the code of the results, as was checked; the machine is the one that trained.
        code = lineage.code_tags()
        origin = runs.set_missing_tags(client, run_id, code | lineage.machine_tags()) | code
        runs.set_missing_tags(client, run_id, lineage.environment_lock_tag())
        runs.set_tags(client, run_id, lineage.dvc_lock_tag() | lineage.flow_run_tag())
        runs.log_inputs(client, run_id, lineage.data_inputs(results.data))
        runs.log_changed_metrics(client, run_id, result_metrics(results), results.last_step)
        version = registry.find_version(client, results.publish_key)
        is_new = version is None
        _say("the version is registered already" if version else "the run: reports and other files")
        if version is None:
            _upload_files(client, run_id, results.data)
            version = _add_version(client, run_id, results, origin)
        promote = load_params(paths.PARAMS).promote
        alias = championship.welcome(client, version, lambda: degenerate_note(promote))
        # Publishing is not part of the training's time.
        client.set_terminated(run_id, "FINISHED", run.info.end_time)
    version = version._replace(aliases=version.aliases or ((alias,) if alias else ()))
    return Published(run_id, run.info.experiment_id, version, is_new, kept_params)


def _say(step: str) -> None:
    """Standard error tells what goes on: a version takes half a minute or more."""
    print(step, "…", file=sys.stderr, flush=True)


def result_metrics(results: Results) -> dict[str, float]:
    """Scores with intervals, the gain over the lead, baselines, the summaries' statistics and the training's cost."""
    scores = results.scores
    metrics: dict[str, float] = {}
    for kind, (mean, low, high) in scores["systems"]["model"].items():
        gain = scores["paired"][kind]
        metrics |= {f"test/{kind}": mean, f"test/{kind}/low": low, f"test/{kind}/high": high}
        metrics |= {f"test/{kind}_over_lead": gain["delta"], f"test/{kind}_over_lead/p": gain["p"]}
    for system, means in scores["systems"].items():
        if system != "model":
            metrics |= {f"test/{system}/{kind}": interval[0] for kind, interval in means.items()}
    metrics |= {f"test/{name}": value for name, value in scores["statistics"]["model"].items()}
    numbers = {key: value for key, value in results.train.items() if isinstance(value, int | float)}
    metrics |= {f"training/{key}": float(value) for key, value in numbers.items()}
    # What the training cost: seconds times the devices that it kept busy.
    devices = results.train["num_devices"]
    return metrics | {"training/device_seconds": devices * float(results.train.get("wall_seconds", 0))}


def _upload_files(client: "MlflowClient", run_id: str, tracked: Iterable[Path]) -> None:
    """``tracked``: what dvc.lock knows. Other reports, such as the gate's, are not this training's."""
    client.log_artifact(run_id, str(paths.PARAMS))
    client.log_artifact(run_id, str(paths.DVC_LOCK))
    client.log_text(run_id, lineage.environment_listing(), "environment.txt")
    for path in tracked:
        if path.parts[0] == paths.REPORTS.name:
            client.log_artifact(run_id, str(path), path.parent.as_posix())
    if paths.DATA_CARD.exists():
        client.log_artifact(run_id, str(paths.DATA_CARD), "data")


def _add_version(client: "MlflowClient", run_id: str, results: Results, origin: dict[str, str]) -> registry.Version:
    """``origin``: tags of the commit, and of the machine that trained, which need not be this one."""
    model = results.scores["systems"]["model"]
    origin = {key: value for key, value in origin.items() if not key.startswith("mlflow.")}
    facts = record.provenance(results.train_key, results.data, str(results.scores.get("signature", "")), origin)
    version_tags = {
        **{key: value for key, value in facts.items() if isinstance(value, str)},
        **{rouge: f"{scores[0]:.2f}" for rouge, scores in model.items()},
        registry.PUBLISH_KEY_TAG: results.publish_key,
    }
    _say("the version: its record, with the profile of the test split and summaries made anew")
    with record.record_folder(results.scores, facts) as folder:
        _say("the version: sending the model, loading it once on trial, hashing what arrived")
        folders = {paths.MODEL.name: paths.MODEL, record.FOLDER: folder}
        card = (folder / record.CARD).read_text(encoding="utf-8")
        made = registry.add_version(run_id, folders, results.search, results.last_step, version_tags, card)
    version = registry.find_version(client, results.publish_key)
    assert version is not None
    if version.number != made:
        # Another machine has published the same at the same moment.
        client.delete_model_version(version.name, made)
    return version


def report(results: Results, published: Published) -> str:
    """What the user sees at the end."""
    version = published.version
    is_champion = registry.CHAMPION in version.aliases
    params = load_params(paths.PARAMS)
    promote = params.promote
    num_pairs, min_pairs, most = results.scores["num_pairs"], promote.min_pairs, params.ingest.max_pairs
    degenerate = degenerate_note(promote)
    state = "registered" if published.is_new else "was registered before; nothing new"
    named = "" if registry.CHALLENGER in version.aliases else f" {version.number}"
    return "\n".join(
        [
            "",
            scores_table(results.scores),
            results.scores["verdict"],
            "",
            f"model      {version.name} version {version.number}, {_aliases_told(version)} ({state})",
            *(
                []
                if is_champion
                else [f"           `summarize` goes on with the champion; `seq2sum promote{named}` judges this one"]
            ),
            *(
                [f"note       of {most:,} pairs at most (ingest.max_pairs): `seq2sum init` without --trial takes all"]
                if most
                else []
            ),
            *(
                []
                if num_pairs >= min_pairs
                else [f"note       {num_pairs:,} test pairs: the gate promotes nothing below {min_pairs:,}"]
            ),
            *([f"note       {degenerate}"] if degenerate else []),
            f"run        {published.run_id}",
            *(f"note       the run keeps another value of {key}" for key in published.kept_params),
            "",
            "look further (the first two also tell more with --help)",
            *_further(published),
        ]
    )


def _aliases_told(version: registry.Version) -> str:
    return f"alias {', '.join(version.aliases)}" if version.aliases else "no alias: a newer version has it"


def _further(published: Published) -> list[str]:
    """Commands as they can be typed in this folder, whether or not its environment is activated."""
    programs = Path(sys.executable).parent
    here = f"{programs.relative_to(Path.cwd())}/" if programs.is_relative_to(Path.cwd()) else ""
    uri, page = connection.without_password(connection.tracking_uri()), run_page(published)
    return [
        f"  {here}seq2sum summarize FILE",
        f"  {here}seq2sum models",
        f"  {page}" if page else f"  {here}mlflow ui --backend-store-uri {uri}",
        f"  {here}dvc metrics show",
        f"  {here}dvc plots show",
        f"  {here}python -m pipeline.demo",
        f"  {paths.REPORT}",
    ]


def run_page(published: Published) -> str | None:
    """The run's page on the tracking server, if it is one; browsers may have another address for that."""
    uri = os.environ.get("SEQ2SUM_MLFLOW_PAGE") or re.sub(r"(?<=://)[^/@]*@", "", connection.tracking_uri())
    page = f"{uri.rstrip('/')}/#/experiments/{published.experiment_id}/runs/{published.run_id}"
    return page if uri.startswith("http") else None


def as_json(published: Published) -> str:
    """For programs: the run, its page, and the version with its aliases."""
    version = published.version
    fields = {"run_id": published.run_id, "page": run_page(published), "is_new": published.is_new}
    return json.dumps({**fields, "name": version.name, "version": version.number, "aliases": version.aliases})


def main() -> int:
    """The command line; exits with 2 on what the user can mend, with 75 if a server could not be reached."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.publish", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with a line of JSON instead of the table of scores")
    is_json = parser.parse_args().json
    try:
        results = read_results()
        published = publish(results)
        print(as_json(published) if is_json else report(results, published))
    except UserError as error:
        print(
            f"\npublish failed: {error}\nNothing is lost: `python -m pipeline.publish`, or `make run`, goes on.",
            file=sys.stderr,
        )
        return connection.TEMPORARY_FAILURE if isinstance(error, connection.UnreachableError) else 2
    except OSError as error:
        print(f"\npublish failed: {error}. Free space or fix access, then run again.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
