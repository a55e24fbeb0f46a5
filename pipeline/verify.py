"""Checks that a registered version is what was registered, and that it still writes what it wrote then."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline import lineage, paths, record
from pipeline.data_at_hand import data_at_hand
from pipeline.decoding import decode
from pipeline.jsonfile import read_json
from pipeline.succession import alias_problem
from pipeline.tracking import connection, registry, runs
from pipeline.tracking.chain import Entry, problems
from pipeline.tracking.ledger import Ledger, anchors_of
from pipeline.tracking.verdicts import REPORT, verdict_problem
from seq2sum.errors import UserError
from seq2sum.evaluation.table import ROUGE_NAMES
from seq2sum.files import sha256_of

PICKLES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"}


class Finding(NamedTuple):
    """One thing that was to be checked. ``holds``: None where nothing was there to check it by; ``detail`` says why."""

    what: str
    holds: bool | None
    detail: str


def verify(name: str) -> list[Finding]:
    """The findings on the version of that number, alias or ``models:/`` address.

    Raises UserError if there is no such version. Its code is run only if all its files are those that were registered,
    by its tag and by every entry of a whole ledger.
    """
    client = connection.connect()
    with connection.mlflow_errors(), tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        version = registry.find_named(client, name)
        content, what = version.tags.get(registry.CONTENT_TAG), f"files of version {version.number}"
        try:
            folder = registry.download(version, Path(temporary))
            files = _is(what, registry.content_hash(folder), content)
        except registry.FilesGoneError as error:
            folder, files = None, Finding(what, False, str(error))
        ledger, versions = Ledger.find(client), registry.versions(client)
        entries = ledger.entries() if ledger else []
        wrong = problems(entries, anchors_of({one.number: one.tags for one in versions}))
        findings = [
            files,
            _none_wrong("the ledger", wrong, len(entries), "entries"),
            *(
                _is("files as in the ledger", content, one)
                for one in sorted(set(registry.hashes_in(entries, version.number).values()))
            ),
        ]
        is_trusted = all(finding.holds is not False for finding in findings)
        judged = [entry for entry in entries if entry.version == version.number and REPORT in entry.evidence]
        edited = [problem for entry in judged if (problem := verdict_problem(client, entry))]
        findings.append(_none_wrong("verdicts in the ledger", edited, len(judged), "as they were written"))
        findings += _championship(version, entries, versions)
        if folder is None:
            return findings
        try:
            findings += _hashes(folder, version, runs.input_digests(client, version.run_id))
            card = client.get_model_version(version.name, version.number).description
            findings += _metadata(folder / "artifacts" / record.FOLDER, version, card or "")
        except (UserError, OSError) as error:
            return [*findings, Finding("the record", False, str(error))]
        return [*findings, _sample(folder, is_trusted=is_trusted)]


def _championship(
    version: registry.Version, entries: Sequence[Entry], versions: Sequence[registry.Version]
) -> Iterator[Finding]:
    """Whether alias and ledger agree, about a version that one of them calls champion."""
    what, head = "champion as in the ledger", entries[-1] if entries else None
    if head is None and registry.CHAMPION in version.aliases:
        yield Finding(what, None, "there are no entries")
    elif head and (registry.CHAMPION in version.aliases or head.version == version.number):
        problem = alias_problem(entries, versions)
        yield Finding(what, problem is None, problem or f"entry {head.index}, {head.action}")


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


def _metadata(about: Path, version: registry.Version, description: str) -> Iterator[Finding]:
    """Tags and description in the registry, which may be changed there, against the record ``about`` the version."""
    card = (about / record.CARD).read_text(encoding="utf-8", errors="replace")
    recorded = {key: fact for key, fact in read_json(about / record.PROVENANCE).items() if isinstance(fact, str)}
    row = next((line for line in card.split("\n") if re.match(r"\| model +\|", line)), "")
    recorded |= zip(ROUGE_NAMES, re.findall(r"(\S+) \[", row), strict=False)
    wrong = [
        f"{key} is {version.tags.get(key, 'none')}, but {fact} was recorded"
        for key, fact in recorded.items()
        if version.tags.get(key, "") != fact
    ]
    yield _none_wrong("tags as recorded", wrong, len(recorded), "tags")
    same = description == card
    yield Finding("description", same, "the recorded card" if same else f"differs from the recorded {record.CARD}")


def _sample(folder: Path, *, is_trusted: bool) -> Finding:
    what = "recorded summaries"
    if not is_trusted:
        return Finding(what, None, "not repeated: no code is run where files or ledger were changed")
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
