"""The entries of the promotion ledger and the hash chain that ties them. Knows nothing of MLflow.

Every entry holds the hash of the one before, so that an entry that is edited, removed or moved breaks the chain at its
place. That the newest ones are still there is shown by anchors: hashes that are kept elsewhere too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

Action = Literal["first", "promote", "rollback", "observed"]

BEGINNING = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One change of the champion.

    ``index`` counts from 1. ``time`` is UTC as ISO 8601, never before that of the entry above. ``version`` is the new
    champion and ``previous`` the old one, None where there was none. ``action``: the first version, a promotion by the
    gate, a rollback, or a change that was found and not made by these commands. ``evidence``: hashes and reasons.
    ``above`` is the hash of the entry before.
    """

    index: int
    time: str
    actor: str
    action: Action
    version: str | None
    previous: str | None
    evidence: Mapping[str, str]
    above: str
    hash: str = field(default="")

    def text(self) -> str:
        """The entry as one line of canonical JSON, its hash included."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def true_hash(self) -> str:
        """SHA-256 over all but the hash itself."""
        content = {key: value for key, value in asdict(self).items() if key != "hash"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def next_entry(
    head: Entry | None, actor: str, action: Action, version: str | None, evidence: Mapping[str, str]
) -> Entry:
    """The entry that comes after ``head``, or the first."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = Entry(
        index=head.index + 1 if head else 1,
        # A clock that is behind must not make the ledger look reordered.
        time=max(now, head.time) if head else now,
        actor=actor,
        action=action,
        version=version,
        previous=head.version if head else None,
        evidence=dict(evidence),
        above=head.hash if head else BEGINNING,
    )
    return Entry(**{**asdict(entry), "hash": entry.true_hash()})


def parse_entry(text: str) -> Entry:
    """Raises ValueError for anything but an entry's text."""
    try:
        entry = Entry(**json.loads(text))
        if not isinstance(entry.index, int) or not isinstance(entry.time, str) or not isinstance(entry.evidence, dict):
            raise ValueError("an entry's index, time or evidence is missing")
    except TypeError as error:
        raise ValueError(f"not an entry: {error}") from error
    return entry


def problems(entries: Sequence[Entry], anchors: Mapping[int, str]) -> list[str]:
    """What is wrong with a ledger, a line each; nothing if it is whole.

    ``anchors``: index to hash, as kept elsewhere.
    """
    found = []
    above, time = BEGINNING, ""
    for place, entry in enumerate(entries, start=1):
        if entry.index != place:
            found.append(f"entry {place}: missing; number {entry.index} stands in its place")
            break
        if entry.hash != entry.true_hash():
            found.append(f"entry {place}: edited; its content does not have its hash")
        if entry.above != above:
            found.append(f"entry {place}: does not follow the entry above; one of them was replaced")
        if entry.time < time:
            found.append(f"entry {place}: is older than the entry above")
        above, time = entry.hash, entry.time
    present = {entry.index: entry.hash for entry in entries}
    for index, anchor in sorted(anchors.items()):
        if index not in present:
            found.append(f"entry {index}: removed; a version was tagged with its hash")
        elif present[index] != anchor:
            found.append(f"entry {index}: rewritten; a version was tagged with another hash")
    return found


def champion_at(entries: Sequence[Entry], moment: datetime) -> Entry | None:
    """The entry that made the champion of a moment, or None where there was none yet."""
    until = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return next((entry for entry in reversed(entries) if entry.time <= until), None)


def line_of_champions(entries: Sequence[Entry]) -> list[str]:
    """The champions that plain rollbacks would go back through, the present or last one at the end: an undo stack.

    Whatever makes a new champion puts it on top. A rollback takes off what came after its version; to a version that
    was taken off, it brings back the line of that version's last reign.
    """
    lines = [line for _, line in _changes(entries)]
    return lines[-1] if lines else []


def taken_back(entries: Sequence[Entry]) -> dict[str, Entry]:
    """The versions that a rollback took off the line of champions and that were not champion again since.

    Each with the rollback that did so.
    """
    found: dict[str, Entry] = {}
    before: list[str] = []
    for entry, line in _changes(entries):
        same = next((place for place, pair in enumerate(zip(before, line, strict=False)) if pair[0] != pair[1]), None)
        same = min(len(before), len(line)) if same is None else same
        found |= dict.fromkeys(before[same:], entry)
        for version in line[same:]:
            found.pop(version, None)
        before = line
    return found


def _changes(entries: Sequence[Entry]) -> Iterator[tuple[Entry, list[str]]]:
    """The entries that change the line of champions, each with the line after it."""
    line: list[str] = []
    line_when_champion: dict[str, list[str]] = {}
    for entry in entries:
        if entry.version is None or line[-1:] == [entry.version]:
            continue
        if entry.action != "rollback":
            line = [*line, entry.version]
        elif entry.version in line:
            line = line[: len(line) - line[::-1].index(entry.version)]
        else:
            line = line_when_champion.get(entry.version, [entry.version])
        line_when_champion[entry.version] = line
        yield entry, line
