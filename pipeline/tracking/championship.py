"""Who is champion: the ledger says it, the alias follows.

An entry is written first, then the alias is moved, then the version is tagged with the entry's hash (its anchor). A
command that is killed in between is completed by the next one; an alias that was moved by other means is written down.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.tracking import connection, registry
from pipeline.tracking.chain import Action, Entry
from pipeline.tracking.ledger import ANCHOR_PREFIX, ConflictError, Ledger, anchors_of, checked_entries
from seq2sum.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ATTEMPTS = 20


class ChampionChangedError(Exception):
    """Another version became champion meanwhile."""


def settle(client: "MlflowClient", ledger: Ledger) -> Entry | None:
    """Brings alias and ledger together; the newest entry. Raises UserError if the ledger was tampered with."""
    moved_to: set[str | None] = set()
    for _ in range(_ATTEMPTS):
        versions = registry.versions(client)
        entries = checked_entries(ledger, anchors_of({one.number: one.tags for one in versions}))
        head = entries[-1] if entries else None
        named = next((one.number for one in versions if registry.CHAMPION in one.aliases), None)
        if head is None:
            if named is None:
                return None
            _observe(ledger, head, named, versions)
            continue
        tags = next((one.tags for one in versions if one.number == head.version), None)
        # A version that was deleted since has no tags; there is nothing to bring together then.
        anchored = tags is None or f"{ANCHOR_PREFIX}{head.index}" in tags
        if named == head.version and anchored:
            return head
        if named != head.version and anchored and named not in moved_to:
            _observe(ledger, head, named, versions)
            continue
        if named != head.version and head.version is not None:
            moved_to.add(head.version)
            client.set_registered_model_alias(connection.model_name(), registry.CHAMPION, head.version)
        if not anchored and head.version is not None:
            _anchor(client, head.version, head)
    raise UserError(f"the champion of {connection.model_name()!r} keeps changing under our hands. Try again later.")


def _anchor(client: "MlflowClient", version: str, entry: Entry) -> None:
    from mlflow.exceptions import MlflowException

    name, key = connection.model_name(), f"{ANCHOR_PREFIX}{entry.index}"
    try:
        client.set_model_version_tag(name, version, key, entry.hash)
    except MlflowException:
        # MLflow looks first and then inserts, so of two commands that complete the same entry one may fail.
        if client.get_model_version(name, version).tags.get(key) != entry.hash:
            raise


def _observe(ledger: Ledger, head: Entry | None, version: str | None, known: Sequence[registry.Version]) -> None:
    contents = {one.number: one.tags.get(registry.CONTENT_TAG) for one in known}
    content = contents.get(version) if version else None
    evidence = {"reason": "the alias was found moved by other means"}
    try:
        ledger.append(head, "observed", version, evidence | ({registry.CONTENT_TAG: content} if content else {}))
    except ConflictError:
        return


def welcome(client: "MlflowClient", version: registry.Version, doubt: Callable[[], str | None]) -> str | None:
    """The alias of a version just published: the one it has, or champion where there never was one, or challenger.

    None if a newer version is champion or challenger: an old one that is published again does not take its place.
    ``doubt``: for what the gate would have kept a first version out; the ledger tells it.
    """
    if version.aliases:
        return version.aliases[0]
    if settle(client, Ledger.open(client)) is None:
        reason = "; ".join(filter(None, ("there was no champion", doubt())))
        evidence = {"reason": reason, registry.CONTENT_TAG: version.tags.get(registry.CONTENT_TAG, "")}
        with contextlib.suppress(ChampionChangedError):
            crown(client, version.number, "first", None, evidence)
            return registry.CHAMPION
    others = (registry.by_alias(client, alias) for alias in (registry.CHAMPION, registry.CHALLENGER))
    if any(int(other.number) > int(version.number) for other in others if other is not None):
        return None
    client.set_registered_model_alias(version.name, registry.CHALLENGER, version.number)
    return registry.CHALLENGER


def crown(
    client: "MlflowClient", version: str, action: Action, expected: str | None, evidence: Mapping[str, str]
) -> Entry:
    """Makes ``version`` champion if ``expected`` still is (None: if no one is); the entry that says so.

    Raises ChampionChangedError otherwise, and UserError if the ledger was tampered with.
    """
    ledger = Ledger.open(client)
    for _ in range(_ATTEMPTS):
        head = settle(client, ledger)
        current = head.version if head else None
        if current != expected:
            raise ChampionChangedError(current)
        try:
            entry = ledger.append(head, action, version, evidence)
        except ConflictError:
            continue
        settle(client, ledger)
        challenger = registry.by_alias(client, registry.CHALLENGER)
        if challenger is not None and challenger.number == version:
            client.delete_registered_model_alias(connection.model_name(), registry.CHALLENGER)
        return entry
    raise UserError(f"the champion of {connection.model_name()!r} keeps changing under our hands. Try again later.")
