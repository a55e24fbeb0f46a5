"""The promotion ledger in the tracking server's own store: append-only, one writer at a time wherever the writers are.

Each entry is a param of one run: MLflow refuses to change a param, and its store holds a key once. So of two writers
who both found n entries and write the next one, the store lets one through: optimistic concurrency without a lock.
The run is alone in an experiment of its own, whose name the store holds once too.
"""

import os
import pwd
import socket
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.tracking import connection
from pipeline.tracking.chain import Action, Entry, next_entry, parse_entry, problems
from seq2sum.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# On the version that an entry names: the entry's hash. It says that the alias was moved, and keeps the hash elsewhere.
ANCHOR_PREFIX = "ledger.entry."
# In an entry's evidence: what SEQ2SUM_ACTOR said.
CLAIMED_ACTOR = "claimed_actor"
_KEY_PREFIX = "entry."
_MOST_CHARACTERS = 6000  # of a param's value in MLflow


class ConflictError(Exception):
    """Someone else wrote the next entry first."""


def actor() -> str:
    """Who acts: the user whose credentials the tracking server is shown, or this machine's."""
    from mlflow.utils.credentials import read_mlflow_creds

    address, credentials = connection.tracking_uri(), read_mlflow_creds()
    if address.startswith("http"):
        # A name without a password is not sent.
        user = urlsplit(address).username or (credentials.password and credentials.username)
        if user:
            return user
    try:
        # Not from the environment, where anyone may write another name.
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class Ledger:
    """The ledger of one registered model. Methods raise what MLflow raises."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    @classmethod
    def open(cls, client: "MlflowClient") -> "Ledger":
        """The registered model's ledger, made if there is none."""
        return cls(client, _find_run(client) or _make_run(client))

    @classmethod
    def find(cls, client: "MlflowClient") -> "Ledger | None":
        """The registered model's ledger, if there is one."""
        run_id = _find_run(client)
        return cls(client, run_id) if run_id else None

    def entries(self) -> list[Entry]:
        """All entries, the oldest first. Raises UserError if one is no entry; whether they are true is not asked."""
        params = self._client.get_run(self._run_id).data.params
        found, name = [], connection.model_name()
        for key in sorted(key for key in params if key.startswith(_KEY_PREFIX)):
            try:
                found.append(parse_entry(params[key]))
            except ValueError as error:
                raise UserError(f"ledger of {name}: {key}: {error}. It was tampered with.") from error
        return found

    def append(self, head: Entry | None, action: Action, version: str | None, evidence: Mapping[str, str]) -> Entry:
        """Writes the entry after ``head``, the newest one that the caller knows.

        Raises ConflictError if there is a newer one, UserError if the entry is too long for MLflow or no valid Unicode.
        Sent twice, because an answer was lost, it is written once.
        """
        from mlflow.exceptions import MlflowException

        # Whom they act for is theirs to say, beside the name that they are known by and not in its place.
        claimed = os.environ.get("SEQ2SUM_ACTOR")
        evidence = {**evidence, **({CLAIMED_ACTOR: claimed} if claimed else {})}
        try:
            entry = next_entry(head, actor(), action, version, evidence)
        except UnicodeEncodeError as error:
            raise UserError(
                "the reason or SEQ2SUM_ACTOR holds bytes that are not UTF-8. Nothing is changed; write it in UTF-8."
            ) from error
        text = entry.text()
        if len(text) > _MOST_CHARACTERS:
            raise UserError(
                f"the ledger's entry would have {len(text):,} characters, and MLflow keeps {_MOST_CHARACTERS:,}. "
                f"Nothing is changed; make the reason shorter by {len(text) - _MOST_CHARACTERS:,}."
            )
        key = f"{_KEY_PREFIX}{entry.index:06}"
        try:
            self._client.log_param(self._run_id, key, text)
        except MlflowException as error:
            if self._client.get_run(self._run_id).data.params.get(key, text) != text:
                raise ConflictError from error
            raise
        return entry


def checked_entries(ledger: Ledger, anchors: Mapping[int, str]) -> list[Entry]:
    """The entries of a whole ledger. Raises UserError if it was tampered with."""
    entries = ledger.entries()
    if found := problems(entries, anchors):
        listed = "\n".join(f"  {problem}" for problem in found)
        raise UserError(f"ledger of {connection.model_name()}: tampered with, nothing is changed:\n{listed}")
    return entries


def anchors_of(tags_of_versions: Mapping[str, Mapping[str, str]]) -> dict[int, str]:
    """Index to hash, from the tags of all versions."""
    return {
        int(key.removeprefix(ANCHOR_PREFIX)): value
        for tags in tags_of_versions.values()
        for key, value in tags.items()
        if key.startswith(ANCHOR_PREFIX)
    }


def _experiment_name() -> str:
    return f"{connection.model_name()}-ledger"


def _find_run(client: "MlflowClient") -> str | None:
    experiment = client.get_experiment_by_name(_experiment_name())
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], max_results=1, order_by=["attributes.start_time ASC"])
    if experiment.lifecycle_stage != "active" or not found:
        raise UserError(
            f"The ledger {_experiment_name()!r} was deleted. Restore it: mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}, or its run likewise."
        )
    return str(found[0].info.run_id)


def _make_run(client: "MlflowClient") -> str:
    """Makes the experiment with its run under a passing name and renames it: whoever is second finds the name taken."""
    from mlflow.exceptions import MlflowException

    passing = f"{_experiment_name()}-{uuid.uuid4().hex}"
    location = connection.artifact_location("ledger")
    experiment_id = client.create_experiment(passing, artifact_location=location)
    run = client.create_run(experiment_id, run_name="promotion ledger", tags={"mlflow.source.name": "seq2sum"})
    client.set_terminated(run.info.run_id)
    try:
        client.rename_experiment(experiment_id, _experiment_name())
    except MlflowException:
        client.delete_experiment(experiment_id)
        found = _find_run(client)
        if found is None:
            raise
        return found
    return str(run.info.run_id)
