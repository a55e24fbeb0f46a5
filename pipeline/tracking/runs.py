"""The MLflow run of a training: found by its train key or made, and fed points, params, tags and inputs once each."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.lineage import TrackedFile
from pipeline.tracking import connection
from pipeline.tracking.ledger import Ledger
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.verdicts import RUN

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRAIN_KEY_TAG = "train_key"
# Limits of one log_batch call.
MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
# A training sends a sample of what it uses every few seconds. If it goes on after so long a silence, as when the server
# was away, it opens its run again.
TRAINER_MEMORY = "system/trainer_memory_gib"
_SILENT_MS = 10 * 60 * 1000


def find_or_make_run(client: "MlflowClient", train_key: str, start_time: int | None = None) -> str:
    """The id of the run tagged with ``train_key``; if there is none, a new one's, from ``start_time`` (ms) or now."""
    experiment_id = _experiment_id(client)
    if found := _runs_of(client, experiment_id, train_key):
        return found[0]
    tags = {TRAIN_KEY_TAG: train_key, "mlflow.source.name": "seq2sum", "mlflow.source.type": "PROJECT"}
    made = client.create_run(experiment_id, start_time=start_time, tags=tags, run_name=f"train-{train_key[:8]}")
    # Another machine may have made one at the same moment.
    first = _runs_of(client, experiment_id, train_key)[0]
    if first != made.info.run_id:
        client.delete_run(made.info.run_id)
    return first


def _runs_of(client: "MlflowClient", experiment_id: str, train_key: str) -> list[str]:
    """The ids of the runs tagged with ``train_key``, in an order that is the same for all who ask."""
    found = client.search_runs([experiment_id], f"tags.{TRAIN_KEY_TAG} = '{train_key}'")
    return [str(run.info.run_id) for run in sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))]


def _experiment_id(client: "MlflowClient") -> str:
    from mlflow.exceptions import MlflowException

    name = connection.experiment_name()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=connection.artifact_location(name)))
        except MlflowException:
            # Someone else may have made it in between.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def close_dead_runs(
    client: "MlflowClient",
    trainer_tag: str,
    is_running: Callable[[str], bool | None],
    outcome: Callable[[str], str | None],
) -> None:
    """Closes the runs that say RUNNING though the process that their ``trainer_tag`` names is gone.

    ``outcome``: train key to the status with which that training ended; where there is None it was killed.
    """
    for run in client.search_runs([_experiment_id(client)], "attributes.status = 'RUNNING'"):
        trainer = run.data.tags.get(trainer_tag)
        if trainer and not is_alive(client, run, is_running(trainer)):
            ended = outcome(run.data.tags.get(TRAIN_KEY_TAG, ""))
            client.set_terminated(run.info.run_id, ended or "KILLED")


def is_alive(client: "MlflowClient", run: "Run", is_running: bool | None) -> bool:
    """Whether a run's trainer goes on: what ``is_running`` says, or, where it can't tell (None), if it was heard of."""
    if is_running is not None:
        return is_running
    samples = client.get_metric_history(run.info.run_id, TRAINER_MEMORY)
    heard = max((sample.timestamp for sample in samples), default=run.info.start_time)
    return time.time_ns() // 1_000_000 - heard < _SILENT_MS


def unneeded_runs(client: "MlflowClient", before_ms: int) -> list[tuple[str, str]]:
    """Ids and names of the trainings' runs that ended before then (ms) and belong to no version of any model.

    Of the experiment at hand. A run that says RUNNING is none of them, however old it is, nor is one whose verdict the
    ledger names: its version may be gone, the entry stays.
    """
    ledger = Ledger.find(client)
    judged = {entry.evidence.get(RUN) for entry in ledger.entries()} if ledger else set()
    experiment = client.get_experiment_by_name(connection.experiment_name())
    found, token = list[tuple[str, str]](), None
    while experiment:
        old = f"attributes.end_time < {before_ms}"
        page = client.search_runs([experiment.experiment_id], old, page_token=token, order_by=["end_time"])
        for run in page:
            run_id, has_ended = run.info.run_id, run.info.status in ("FINISHED", "FAILED", "KILLED")
            if not has_ended or TRAIN_KEY_TAG not in run.data.tags or run_id in judged:
                continue
            if not client.search_model_versions(f"run_id = '{run_id}'", max_results=1):
                found.append((run_id, run.info.run_name))
        token = page.token
        if not token:
            break
    return found


class PointSender:
    """Brings a run's metrics up to an outbox; what the server has already stays as it is."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._known: set[tuple[str, int]] = set()
        self._keys_read: set[str] = set()

    def send(self, outbox: Outbox) -> int:
        """Sends the points that the server lacks; their number. Raises what the client raises; safe to call again."""
        from mlflow.entities import Metric

        stamped = outbox.points()
        for key in {point.key for point, _ in stamped} - self._keys_read:
            history = self._client.get_metric_history(self._run_id, key)
            self._known |= {(metric.key, metric.step) for metric in history}
            self._keys_read.add(key)
        missing = [
            Metric(point.key, point.value, timestamp, point.step)
            for point, timestamp in stamped
            if (point.key, point.step) not in self._known
        ]
        for start in range(0, len(missing), MAX_METRICS_PER_BATCH):
            batch = missing[start : start + MAX_METRICS_PER_BATCH]
            self._client.log_batch(self._run_id, metrics=batch)
            self._known |= {(metric.key, metric.step) for metric in batch}
        return len(missing)


def log_params(client: "MlflowClient", run_id: str, params: Mapping[str, str]) -> list[str]:
    """Logs the params that the run lacks; the keys of those that it has with another value (they can't be changed)."""
    from mlflow.entities import Param

    present = client.get_run(run_id).data.params
    missing = [Param(key, value) for key, value in params.items() if key not in present]
    for start in range(0, len(missing), MAX_PARAMS_PER_BATCH):
        client.log_batch(run_id, params=missing[start : start + MAX_PARAMS_PER_BATCH])
    return [key for key, value in params.items() if key in present and present[key] != value]


def set_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags, over whatever stands there."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def set_missing_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Sets the tags that the run lacks: what its training recorded is truer than what is found later. As they are."""
    present = client.get_run(run_id).data.tags
    set_tags(client, run_id, {key: value for key, value in tags.items() if key not in present})
    return {key: present.get(key, value) for key, value in tags.items()}


def log_changed_metrics(client: "MlflowClient", run_id: str, metrics: Mapping[str, float], step: int) -> None:
    """Logs single numbers (not curves) at ``step``, each only if the run's latest value differs."""
    from mlflow.entities import Metric

    present = client.get_run(run_id).data.metrics
    now = time.time_ns() // 1_000_000
    changed = [Metric(key, value, now, step) for key, value in metrics.items() if present.get(key) != value]
    for start in range(0, len(changed), MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=changed[start : start + MAX_METRICS_PER_BATCH])


def input_digests(client: "MlflowClient", run_id: str) -> dict[str, str]:
    """The hash of each data file that is recorded as the run's input, by its path."""
    inputs = client.get_run(run_id).inputs
    return {one.dataset.name: one.dataset.digest for one in inputs.dataset_inputs} if inputs else {}


def log_inputs(client: "MlflowClient", run_id: str, inputs: Iterable[tuple[str, TrackedFile]]) -> None:
    """Records data files as the run's inputs under their DVC hashes. ``inputs``: (what it was used for, file)."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    client.log_inputs(
        run_id,
        [
            DatasetInput(
                Dataset(
                    name=file.path.as_posix(),
                    digest=file.md5,
                    source_type="local",
                    source=json.dumps({"uri": file.path.as_posix()}),
                    profile=json.dumps({"size_bytes": file.size_bytes}),
                ),
                [InputTag("mlflow.data.context", context)],
            )
            for context, file in inputs
        ],
    )
