"""The flow `maintain`: removes what is old: checkpoints, work trees that killed runs left, MLflow's runs, DVC's cache.

It only lists, unless it is told otherwise.
"""

import argparse
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from pipeline import paths
from pipeline.flows import workspace
from pipeline.flows.dvc_cli import dvc
from pipeline.flows.outage import outlasts_outages
from pipeline.flows.train import require_few_starts, run_here
from pipeline.tracking import connection, runs
from seq2sum.errors import UserError

DAY = 86_400


@flow(name="maintain")
@outlasts_outages
def maintain(keep_days: float = 30, dry_run: bool = True) -> dict[str, Any]:
    """Removes checkpoints and work trees that nothing touched for ``keep_days``, and what nobody needs of DVC's cache.

    Also the trainings' runs in MLflow that ended before and belong to no registered version: these are marked as
    deleted, so that `mlflow gc` can free their space and `mlflow runs restore` bring them back.
    A ``dry_run`` tells what would be removed. What a commit or a work tree beside this one needs stays in the cache,
    which therefore no other machine may use; what only a registered version's dvc.lock names does not, and is made anew
    by `reproduce`.
    """
    require_few_starts()
    log: Any = get_run_logger()
    checkpoints = untouched(paths.CHECKPOINTS, keep_days)
    trees = untouched(workspace.FOLDER, keep_days)
    if not dry_run:
        for folder in checkpoints:
            shutil.rmtree(folder)
        for folder in trees:
            workspace.remove(folder.resolve())
    here = Path.cwd()
    projects = [str(tree.resolve()) for tree in workspace.FOLDER.glob("*") if (tree / ".dvc").is_dir()]
    arguments = ["gc", "--workspace", "--all-commits", *(["--projects", *projects] if projects else [])]
    arguments.append("--dry" if dry_run else "--force")
    # DVC says the same of each commit.
    cache = dict[str, None]()

    def tell(line: str) -> None:
        if line not in cache:
            log.info(line)
        cache[line] = None

    dvc(here, workspace.environment(here), arguments, tell)
    removed = [str(folder) for folder in [*checkpoints, *trees]]
    old_runs = _old_runs(keep_days, dry_run, log)
    verb = "would be removed" if dry_run else "removed"
    lines = [f"# {len(removed)} folders and {len(old_runs)} MLflow runs {verb}", ""]
    lines += [*(f"- `{name}`" for name in removed), *(f"- run `{name}`" for name in old_runs), "", "```", *cache, "```"]
    create_markdown_artifact("\n".join([*lines, ""]), key="maintenance")
    return {"removed": removed, "runs": old_runs, "dry_run": dry_run}


def untouched(folder: Path, days: float) -> list[Path]:
    """The folders in ``folder`` of which no file was written for ``days``."""
    oldest = time.time() - days * DAY
    found = []
    for inner in sorted(path for path in folder.glob("*") if path.is_dir()):
        times = [path.lstat().st_mtime for path in [inner, *inner.rglob("*")]]
        if max(times) < oldest:
            found.append(inner)
    return found


def _old_runs(days: float, dry_run: bool, log: "logging.LoggerAdapter[logging.Logger]") -> list[str]:
    """Names and ids of the runs in MLflow that nobody needs, deleted unless it is a ``dry_run``.

    Where the tracking server does not answer, or no longer, the others stay: the disk is tidied all the same.
    """
    found = list[str]()
    try:
        client = connection.connect()
        with connection.mlflow_errors():
            for run_id, name in runs.unneeded_runs(client, round(1000 * (time.time() - days * DAY))):
                if not dry_run:
                    client.delete_run(run_id)
                found.append(f"{name} {run_id}")
    except UserError as error:
        log.warning("MLflow's other runs are left as they are: %s", error)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.flows.maintain", description=__doc__)
    parser.add_argument("--keep-days", type=float, help="what is younger stays (%(default)s)")
    parser.add_argument("--remove", dest="dry_run", action="store_false", help="remove, not only list")
    run_here(maintain, parser)


if __name__ == "__main__":
    main()
