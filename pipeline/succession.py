"""Looking back over the champions, and going back to one."""

import tempfile
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking import championship, connection, registry
from pipeline.tracking.chain import Entry, champion_at, line_of_champions, problems
from pipeline.tracking.championship import ChampionChangedError
from pipeline.tracking.ledger import Ledger, anchors_of, checked_entries
from pipeline.tracking.verdicts import verdict_problem
from seq2sum.errors import UserError
from seq2sum.files import write_text

if TYPE_CHECKING:
    from mlflow import MlflowClient


def history() -> list[Entry]:
    """The ledger's entries, the oldest first. Raises UserError if there is no ledger."""
    client = connection.connect()
    with connection.mlflow_errors():
        return _ledger(client).entries()


def ledger_problems(export: Path | None = None, *, with_verdicts: bool = False) -> list[str]:
    """What is wrong with the ledger, a line each: its chain, its anchors and, if given, an earlier export's entries.

    ``with_verdicts``: each verdict that an entry names is fetched and compared with its hash there, too.
    """
    client = connection.connect()
    with connection.mlflow_errors():
        ledger, versions = Ledger.find(client), registry.versions(client)
        if ledger is None and not _anchors(versions):
            raise _no_ledger()
        try:
            entries = ledger.entries() if ledger else []
        except UserError as error:
            return [str(error)]
        found = problems(entries, _anchors(versions))
        if with_verdicts:
            found += [problem for entry in entries if (problem := verdict_problem(client, entry))]
    if export is not None:
        found += [f"entry {number}: not the one in {export}" for number in _differing(export, entries)]
    if problem := alias_problem(entries, versions):
        found.append(problem)
    return found


def alias_problem(entries: Sequence[Entry], versions: Sequence[registry.Version]) -> str | None:
    """How the alias contradicts the ledger; None if it does not, or if there is no ledger."""
    champion = next((one.number for one in versions if registry.CHAMPION in one.aliases), None)
    if not entries or entries[-1].version == champion:
        return None
    return (
        f"the alias names version {champion}, the ledger {entries[-1].version}: moved by other means, or a command "
        "was cut off; the next promotion or rollback writes it down"
    )


def export_ledger(path: Path) -> int:
    """Writes the ledger as JSON lines, atomically; how many.

    Raises UserError, and leaves the file as it is, if the ledger was tampered with or does not go on from the file's
    entries.
    """
    client = connection.connect()
    with connection.mlflow_errors():
        entries = checked_entries(_ledger(client), _anchors(registry.versions(client)))
    if path.is_file() and (differing := _differing(path, entries)):
        raise UserError(
            f"{path}: entry {differing[0]} there is not the ledger's, so nothing is written over it. Keep it: `seq2sum "
            f"ledger verify --against {path}` compares. Name another file for this export."
        )
    write_text(path, "".join(entry.text() + "\n" for entry in entries))
    return len(entries)


def _differing(export: Path, entries: Sequence[Entry]) -> list[int]:
    """The numbers of an earlier export's lines that are not the ledger's. Raises UserError if it can't be read."""
    now = [entry.text() for entry in entries]
    try:
        # Not splitlines: a reason may hold what Unicode calls a line break.
        lines = export.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{export}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{export}: not UTF-8 (byte {error.start}), so no export of a ledger.") from error
    return [number for number, line in enumerate(lines, 1) if line and (number > len(now) or now[number - 1] != line)]


def champion_of(moment: datetime | None) -> str | None:
    """The number of the version that was champion at that moment, or of the one that is; None if there is none.

    Raises UserError for a moment gone by if the ledger was tampered with.
    """
    client = connection.connect()
    with connection.mlflow_errors():
        versions = registry.versions(client)
        if moment is None:
            return next((one.number for one in versions if registry.CHAMPION in one.aliases), None)
        entry = champion_at(checked_entries(_ledger(client), _anchors(versions)), moment)
        return entry.version if entry else None


def parse_moment(text: str) -> datetime:
    """A date (its end) or a date and time as ISO 8601, local if it names no zone. Raises UserError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{text}: not a date like 2026-01-31 or 2026-01-31T15:00.") from error
    if len(text) <= len("2026-01-31"):
        moment = datetime.combine(moment, time.max)
    try:
        local = moment.astimezone()
        local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{text}: beyond the calendar in this time zone or in UTC.") from error
    return local


def roll_back(name: str | None, reason: str) -> Entry:
    """Makes the version ``name``, or the champion before the present one, champion again; the entry that says so.

    Which one was before is what :func:`pipeline.tracking.chain.line_of_champions` says. Its files are checked first.
    Raises UserError if there is none, or if files or ledger were tampered with.
    """
    client = connection.connect()
    with connection.mlflow_errors():
        ledger = Ledger.open(client)
        head = championship.settle(client, ledger)
        entries = ledger.entries()
        if head is None:
            raise UserError(f"{connection.model_name()!r} never had a champion.")
        present = {one.number for one in registry.versions(client)}
        target = registry.find_named(client, name or _before(entries, head.version, present))
        if target.number == head.version:
            raise UserError(f"version {target.number} is the champion already.")
        if all(entry.version != target.number for entry in entries):
            raise UserError(
                f"version {target.number} never was champion; `seq2sum promote {target.number}` judges whether it may."
            )
        with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
            registry.fetch(target, Path(temporary))
        evidence = {"reason": reason, registry.CONTENT_TAG: target.tags[registry.CONTENT_TAG]}
        try:
            return championship.crown(client, target.number, "rollback", head.version, evidence)
        except ChampionChangedError as error:
            raise UserError(
                f"version {error} became champion meanwhile. Look at `history`, then decide anew."
            ) from error


def _before(entries: Sequence[Entry], champion: str | None, present: Collection[str]) -> str:
    """The champion before ``champion`` in the line of champions; the last one if there is none at present.

    ``present``: the versions that the registry has; others are passed over.
    """
    for version in reversed(line_of_champions(entries)):
        if version != champion and version in present:
            return version
    others = former_champions(entries, present) - {champion}
    told = f"there was no champion before version {champion}." if champion else "no champion before is left."
    if others:
        told += f" Name one that was champion: {', '.join(sorted(others, key=int))}."
    elif champion is None:
        told += " `seq2sum promote VERSION` makes another the first."
    raise UserError(told)


def former_champions(entries: Sequence[Entry], present: Collection[str]) -> set[str]:
    """Those of the versions ``present`` in the registry that are or were champion."""
    return {entry.version for entry in entries if entry.version in present and entry.version}


def _ledger(client: "MlflowClient") -> Ledger:
    found = Ledger.find(client)
    if found is None:
        raise _no_ledger()
    return found


def _no_ledger() -> UserError:
    return UserError(f"{connection.model_name()!r} has no promotion ledger yet. The first `make run` begins it.")


def _anchors(versions: Sequence[registry.Version]) -> dict[int, str]:
    return anchors_of({one.number: one.tags for one in versions})
