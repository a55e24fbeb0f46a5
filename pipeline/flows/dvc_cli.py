"""The only place of the flows that starts DVC."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from pipeline.flows import command
from pipeline.flows.command import CommandError

STAGES = Path("dvc.yaml")
# DVC's own status says nothing of its stage's.
_STAGE_STATUS = re.compile(r"failed to run: .*, exited with (-?\d+)")


def stages(folder: Path) -> list[str]:
    """The stages in the order of dvc.yaml, in which each comes after those that it needs."""
    return list(yaml.safe_load((folder / STAGES).read_text(encoding="utf-8"))["stages"])


def dvc(
    folder: Path,
    environment: Mapping[str, str],
    arguments: list[str],
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    deadline: float | None = None,
) -> list[str]:
    """Runs dvc; its output. Raises CommandError, with the stage's status where a stage failed, and TimeoutError."""
    whole = [sys.executable, "-m", "dvc", *arguments]
    try:
        return command.run(whole, folder, environment, on_line, on_tick, deadline)
    except CommandError as error:
        if found := _STAGE_STATUS.search(str(error)):
            raise CommandError(["dvc", *arguments], int(found[1]), str(error).splitlines()[1:]) from error
        raise
