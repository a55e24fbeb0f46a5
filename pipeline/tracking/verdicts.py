"""The gate's verdicts beside the ledger: kept with the challenger's run, named and hashed by the entry they led to."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.chain import Entry
from seq2sum.files import sha256_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Keys of an entry's evidence.
RUN, REPORT, REPORT_HASH = "run_id", "report", "report_sha256"


def keep_verdict(client: "MlflowClient", run_id: str, verdict: Path) -> dict[str, str]:
    """Uploads the folder of the file ``verdict`` to the run; the evidence for an entry of the ledger.

    Under a name of its own, so that the next judgement of the same two versions leaves this one as it is.
    """
    digest = sha256_of(verdict)
    place = f"promotion/{verdict.parent.name}-{digest[:12]}"
    client.log_artifacts(run_id, str(verdict.parent), place)
    return {RUN: run_id, REPORT: f"{place}/{verdict.name}", REPORT_HASH: digest}


def place_of(evidence: Mapping[str, str]) -> str:
    """The address in MLflow of the folder of the verdict that an entry's evidence names."""
    return f"runs:/{evidence[RUN]}/{Path(evidence[REPORT]).parent.as_posix()}"


def verdict_problem(client: "MlflowClient", entry: Entry) -> str | None:
    """What is wrong with the verdict that an entry names; None if it is as it was, or if the entry names none."""
    from mlflow.exceptions import MlflowException

    if REPORT not in entry.evidence:
        return None
    run_id, report = entry.evidence[RUN], entry.evidence[REPORT]
    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        try:
            found = sha256_of(Path(client.download_artifacts(run_id, report, temporary)))
        except (MlflowException, OSError) as error:
            return f"entry {entry.index}: its verdict {report} of run {run_id} can't be fetched: {error}"
    if found == entry.evidence[REPORT_HASH]:
        return None
    return f"entry {entry.index}: its verdict {report} of run {run_id} was edited; its hash is {found}"
