"""The flow `maintain`: removes what is old: checkpoints, work trees that killed runs left, DVC's unused cache.

It only lists, unless it is told otherwise.
"""

import argparse
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

DAY = 86_400


@flow(name="maintain")
def maintain(keep_days: float, dry_run: bool = True) -> dict[str, Any]:
    """Removes checkpoints and work trees that nothing touched for ``keep_days``, and what nobody needs of DVC's cache.

    A ``dry_run`` tells what would be removed. What a commit or a run that goes on needs stays in the cache; what only a
    registered version's dvc.lock names does not, and is made anew by `reproduce`.
    """
    log = get_run_logger()
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
    cache = dvc(here, workspace.environment(here), arguments, log.info)
    removed = [str(folder) for folder in [*checkpoints, *trees]]
    verb = "would be removed" if dry_run else "removed"
    lines = [f"# {len(removed)} folders {verb}", "", *(f"- `{name}`" for name in removed), "", "```", *cache, "```", ""]
    create_markdown_artifact("\n".join(lines), key="maintenance")
    return {"removed": removed, "dry_run": dry_run}


def untouched(folder: Path, days: float) -> list[Path]:
    """The folders in ``folder`` of which no file was written for ``days``."""
    oldest = time.time() - days * DAY
    found = []
    for inner in sorted(path for path in folder.glob("*") if path.is_dir()):
        times = [path.lstat().st_mtime for path in [inner, *inner.rglob("*")]]
        if max(times) < oldest:
            found.append(inner)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.flows.maintain", description=__doc__)
    parser.add_argument("--keep-days", type=float, required=True)
    parser.add_argument("--remove", dest="dry_run", action="store_false", help="remove, not only list")
    maintain(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
