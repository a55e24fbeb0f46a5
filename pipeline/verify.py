"""Checks that a registered version is what was registered, and that it still writes what it wrote then."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import lineage, paths, record
from pipeline.data_at_hand import data_at_hand
from pipeline.decoding import decode
from pipeline.jsonfile import read_json
from pipeline.tracking import connection, registry, runs
from pipeline.tracking.chain import problems
from pipeline.tracking.ledger import Ledger, anchors_of
from pipeline.tracking.verdicts import REPORT, verdict_problem
from seq2sum.errors import UserError
from seq2sum.files import sha256_of

PICKLES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"}


class Finding(NamedTuple):
    """One thing that was to be checked. ``holds``: None where nothing was there to check it by; ``detail`` says why."""

    what: str
    holds: bool | None
    detail: str


def verify(name: str) -> list[Finding]:
    """The findings on the version of that number, alias or ``models:/`` address.

    Raises UserError if there is no such version. Its code is run only if all its files are those that were registered.
    """
    client = connection.connect()
    with connection.mlflow_errors(), tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        version = registry.find_named(client, name)
        folder = registry.download(version, Path(temporary))
        inputs = runs.input_digests(client, version.run_id)
        ledger = Ledger.find(client)
        entries = ledger.entries() if ledger else []
        wrong = problems(entries, anchors_of({one.number: one.tags for one in registry.versions(client)}))
        content = version.tags.get(registry.CONTENT_TAG)
        own = [entry for entry in entries if entry.version == version.number]
        written = {entry.evidence[registry.CONTENT_TAG] for entry in own if registry.CONTENT_TAG in entry.evidence}
        judged = [entry for entry in own if REPORT in entry.evidence]
        edited = [problem for entry in judged if (problem := verdict_problem(client, entry))]
        findings = [
            _is(f"files of version {version.number}", registry.content_hash(folder), content),
            _none_wrong("the ledger", wrong, len(entries), "entries"),
            *(_is("files as in the ledger", content, one) for one in written),
            _none_wrong("verdicts in the ledger", edited, len(judged), "as they were written"),
        ]
        try:
            findings += _hashes(folder, version, inputs)
        except (UserError, OSError) as error:
            return [*findings, Finding("the record", False, str(error))]
        return [*findings, _sample(folder, is_trusted=findings[0].holds is True)]


def _hashes(folder: Path, version: registry.Version, inputs: dict[str, str]) -> Iterator[Finding]:
    model, about = folder / "artifacts" / paths.MODEL.name, folder / "artifacts" / record.FOLDER
    for key, value in record.model_hashes(model).items():
        yield _is(key.removesuffix("_sha256"), value, version.tags.get(key))
    yield _is("dvc.lock", sha256_of(about / paths.DVC_LOCK), version.tags.get("dvc_lock_sha256"))
    facts = read_json(about / record.PROVENANCE)
    lock = about / record.ENVIRONMENT_LOCK
    found, registered = sha256_of(lock) if lock.exists() else None, version.tags.get("environment_lock_sha256")
    if found or registered:
        yield _is("environment lock", found, registered)
    else:
        yield Finding("environment lock", None, "the version was registered without one")
    locked = lineage.tracked_files(about / paths.DVC_LOCK)
    data = {Path(path): inputs.get(path, digest) for path, digest in facts["data"].items()}
    for path, (places, wrong, missing) in data_at_hand(data).items():
        recorded = _is(str(path), locked[path].md5 if path in locked else None, data[path])
        failed = [*([] if recorded.holds else [recorded.detail]), *wrong]
        where = f"its bytes {' and '.join(places)} have it" if places else "its bytes are not at hand"
        as_recorded = "; ".join([f"{recorded.detail}, as recorded", where, *missing])
        holds = False if failed else True if places else None
        yield Finding(str(path), holds, "; ".join(failed) or as_recorded)
    pickles = [path.name for path in folder.rglob("*") if path.suffix in PICKLES]
    yield Finding("no pickle", not pickles, ", ".join(pickles) or "none found")


def _sample(folder: Path, *, is_trusted: bool) -> Finding:
    what = "recorded summaries"
    if not is_trusted:
        return Finding(what, None, "not repeated: code that was changed is not run")
    sample = record.read_sample(folder / "artifacts" / record.FOLDER)
    again = decode(folder / "code", folder / "artifacts" / paths.MODEL.name, [one.document for one in sample])
    same = sum(one.summary.encode() == text.encode() for one, text in zip(sample, again, strict=True))
    return Finding(what, same == len(sample), f"{same} of {len(sample)} written again byte for byte")


def _none_wrong(what: str, wrong: list[str], num: int, are: str) -> Finding:
    """Of ``num`` things; none at all prove nothing."""
    return Finding(
        what, False if wrong else num > 0 or None, "; ".join(wrong) or (f"{num} {are}" if num else "there are none")
    )


def _is(what: str, found: str | None, expected: str | None) -> Finding:
    if found == expected:
        return Finding(what, True, found or "none")
    return Finding(what, False, f"{found or 'none'}, but {expected or 'none'} was registered")
