"""The promotion gate as a task: `python -m pipeline.promote [VERSION]` judges a challenger and promotes it or does not.

Both versions are judged by their summaries of the test split at hand. What a version wrote of just this test set is in
its record, and its weights write some of that again as a proof; if the test set is another now, the version summarizes
it anew, with its own code and settings.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import paths
from pipeline.contenders import contenders
from pipeline.jsonfile import read_json
from pipeline.promotion_page import write_page
from pipeline.promotion_report import VERDICT, differing, write_promotion
from pipeline.succession import former_champions
from pipeline.tracking import championship, connection, registry, runs
from pipeline.tracking.chain import Entry, taken_back
from pipeline.tracking.championship import ChampionChangedError
from pipeline.tracking.ledger import Ledger
from pipeline.tracking.verdicts import REPORT, REPORT_HASH, RUN, keep_verdict, place_of, verdict_problem
from seq2sum.config import Params
from seq2sum.data.pairs import read_pairs
from seq2sum.errors import UserError
from seq2sum.files import replaced_folder, sha256_of
from seq2sum.gate.evidence import weigh
from seq2sum.gate.verdict import Decision, cost, decide, latency_cost
from seq2sum.params_file import load_params

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Judging takes minutes; if the champion changes each time meanwhile, something else is wrong.
_ATTEMPTS = 5
_MOST_TAG_CHARACTERS = 4000


class Promotion(NamedTuple):
    """A judged challenger.

    ``report``: the folder of the verdict's files; ``kept``: where MLflow has it. None where nothing had to be judged.
    """

    decision: Decision
    challenger: str
    champion: str | None
    reasons: list[str]
    report: Path | None = None
    kept: str | None = None


def promote(name: str = registry.CHALLENGER, *, unattended: bool = False) -> Promotion:
    """Judges the version of that number or alias against the champion, and makes it champion if it is proven better.

    Whatever the verdict, it is written to the version's run and tags and to ``reports/promotion``. A champion that
    changes meanwhile is judged against anew. ``unattended``: no one decides, so a version that a rollback took back is
    kept without being judged. A promotion that was killed before it was told is told now. Raises UserError if the
    version, the champion or the test split is missing, or if files or ledger were tampered with.
    """
    params = load_params(paths.PARAMS)
    client = connection.connect()
    with connection.mlflow_errors():
        for _ in range(_ATTEMPTS):
            ledger = Ledger.open(client)
            head = championship.settle(client, ledger)
            challenger = registry.find_named(client, name)
            try:
                if head is None:
                    return _promote_first(client, challenger, "there was no champion")
                if head.version is None:
                    return _promote_after_none(client, challenger, ledger.entries())
                if head.version == challenger.number:
                    is_told = challenger.tags.get("gate.report_sha256") == head.evidence.get(REPORT_HASH)
                    # The flow asks again where it does not know whether it has promoted.
                    if head.action == "promote" and REPORT in head.evidence and (unattended or not is_told):
                        return _tell_again(client, challenger, head)
                    return Promotion("keep", challenger.number, head.version, ["it is the champion already"])
                if unattended and (rollback := taken_back(ledger.entries()).get(challenger.number)):
                    return Promotion("keep", challenger.number, head.version, [_why_taken_back(rollback)])
                return _judge_and_record(client, challenger, registry.find_named(client, head.version), params)
            except ChampionChangedError:
                continue
    raise UserError(f"the champion of {connection.model_name()!r} changed {_ATTEMPTS} times while we judged.")


def _why_taken_back(rollback: Entry) -> str:
    return (
        f"entry {rollback.index} of the ledger, a rollback by {rollback.actor}, took it back "
        f"({rollback.evidence.get('reason', 'not given')}); only `seq2sum promote` by hand judges it again"
    )


def _promote_after_none(client: "MlflowClient", challenger: registry.Version, entries: Sequence[Entry]) -> Promotion:
    """Where no version has the champion's alias: unjudged only if all that were champion have left the registry."""
    if former_champions(entries, {one.number for one in registry.versions(client)}):
        raise UserError("the champion's alias was removed; `seq2sum rollback` sets it again.")
    gone = ", ".join(sorted({entry.version for entry in entries if entry.version}, key=int))
    return _promote_first(client, challenger, f"there is no champion to judge against: {gone} left the registry")


def _promote_first(client: "MlflowClient", challenger: registry.Version, reason: str) -> Promotion:
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        registry.fetch(challenger, Path(temporary))
    evidence = {"reason": reason, registry.CONTENT_TAG: challenger.tags[registry.CONTENT_TAG]}
    championship.crown(client, challenger.number, "first", None, evidence)
    return Promotion("promote", challenger.number, None, [reason])


def _judge_and_record(
    client: "MlflowClient", challenger: registry.Version, champion: registry.Version, params: Params
) -> Promotion:
    pairs = list(read_pairs(paths.TEST_PAIRS))
    if not pairs:
        raise UserError(f"{paths.TEST_PAIRS}: no pairs to judge by. Raise split.test_share.")
    test_set = sha256_of(paths.TEST_PAIRS)
    if test_set != challenger.tags.get("test_set_sha256"):
        print(
            f"{paths.TEST_PAIRS} is not the test split that version {challenger.number} was made beside; it is judged "
            "by the one here. After `dvc repro` of its params, or in the flow `train`, that is its own.",
            file=sys.stderr,
        )
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        ours, theirs = contenders((challenger, champion), pairs, test_set, params, Path(temporary))
    evidence = weigh(ours.measures, theirs.measures, params.promote)
    costs = {
        "latency": latency_cost(ours.seconds, theirs.seconds),
        "size": cost(ours.num_bytes, theirs.num_bytes),
    }
    verdict = decide(evidence, costs, params.promote)
    facts = {
        "model": challenger.name,
        "challenger": challenger.number,
        "champion": champion.number,
        "test_set_sha256": test_set,
        "metric_signature": ours.scores.signature,
        "rescored": [side.version.number for side in (ours, theirs) if side.rescored],
        "params": params.promote.model_dump(),
        "differs": differing(theirs.made_from, ours.made_from),
    }
    differences = ours.measures.rouge[:, 0] - theirs.measures.rouge[:, 0]
    folder = paths.PROMOTIONS / f"{challenger.number}-over-{champion.number}"
    write_promotion(folder, facts, evidence, costs, verdict, differences)
    write_page(folder, challenger, theirs.summaries, theirs.scores, params)
    kept = keep_verdict(client, challenger.run_id, folder / VERDICT)
    if verdict.decision == "promote":
        proof = {
            **kept,
            registry.CONTENT_TAG: challenger.tags[registry.CONTENT_TAG],
            "test_set_sha256": test_set,
            "metric_signature": ours.scores.signature,
            "reason": next(reason for reason in verdict.reasons if reason.startswith("gain")),
        }
        championship.crown(client, challenger.number, "promote", champion.number, proof)
    # Only now: a promotion that does not come through must not be told as one.
    _tell(client, challenger, folder)
    return Promotion(verdict.decision, challenger.number, champion.number, verdict.reasons, folder, place_of(kept))


def _tell_again(client: "MlflowClient", champion: registry.Version, entry: Entry) -> Promotion:
    """The promotion that ``entry`` tells of; a command that was killed after it may not have told it."""
    if problem := verdict_problem(client, entry):
        raise UserError(f"ledger of {connection.model_name()}: {problem}")
    folder = paths.PROMOTIONS / f"{champion.number}-over-{entry.previous}"
    with replaced_folder(folder) as beside, tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        kept = Path(entry.evidence[REPORT]).parent.as_posix()
        fetched = client.download_artifacts(entry.evidence[RUN], kept, temporary)
        shutil.copytree(fetched, beside, dirs_exist_ok=True)
    reasons = _tell(client, champion, folder)["reasons"]
    reason = f"it became champion by entry {entry.index} of the ledger, {entry.time[:19]}Z"
    return Promotion("promote", champion.number, entry.previous, [reason, *reasons], folder, place_of(entry.evidence))


def _tell(client: "MlflowClient", challenger: registry.Version, report: Path) -> dict[str, Any]:
    """Writes the verdict in the folder ``report`` to the tags of the challenger and its run; the verdict."""
    verdict = read_json(report / VERDICT)
    tags = {
        "gate.decision": verdict["decision"],
        "gate.champion": verdict["champion"],
        "gate.reasons": "\n".join(verdict["reasons"])[:_MOST_TAG_CHARACTERS],
        "gate.report_sha256": sha256_of(report / VERDICT),
        **{f"gate.{kind}_gain": f"{gain['delta']:+.2f}" for kind, gain in verdict["evidence"]["rouge"].items()},
    }
    runs.set_tags(client, challenger.run_id, {**tags, "gate.version": challenger.number})
    for key, value in tags.items():
        client.set_model_version_tag(challenger.name, challenger.number, key, value)
    return verdict


def as_json(promotion: Promotion) -> dict[str, Any]:
    """For the command line's JSON output."""
    return {**promotion._asdict(), "report": str(promotion.report) if promotion.report else None}


def main() -> int:
    """The command line.

    Exits with 1 if the challenger was not promoted, with 2 on what the user can mend, with 75 if a server could not be
    reached.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.promote", description=__doc__)
    parser.add_argument("version", nargs="?", default=registry.CHALLENGER, help="number or alias; default: challenger")
    parser.add_argument("--unattended", action="store_true", help="keep what a rollback took back")
    arguments = parser.parse_args()
    try:
        done = promote(arguments.version, unattended=arguments.unattended)
    except UserError as error:
        print(f"promote failed: {error}", file=sys.stderr)
        return connection.TEMPORARY_FAILURE if isinstance(error, connection.UnreachableError) else 2
    print(json.dumps(as_json(done), indent=2, ensure_ascii=False))
    return 0 if done.decision == "promote" else 1


if __name__ == "__main__":
    sys.exit(main())
