"""The only place of the flows that starts DVC."""

import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline import paths
from pipeline.flows import command
from pipeline.flows.command import CommandError
from seq2sum.files import replaced_file
from seq2sum.params_file import parse_yaml

STAGES = Path("dvc.yaml")
# In the folder where DVC keeps what passes.
_LOCK_BEFORE = Path(".dvc", "tmp", f"{paths.DVC_LOCK.name}.before")
# What to do with a folder that stays; a work tree goes.
_HINTS = re.compile(r"To track the changes with git|git add |To enable auto staging|dvc config core|Use `dvc push`|$")
# DVC's own status says nothing of its stage's.
_STAGE_STATUS = re.compile(r"failed to run: .*, exited with (-?\d+)")


def stages(folder: Path) -> list[str]:
    """The stages in the order of dvc.yaml, in which each comes after those that it needs."""
    return list(parse_yaml((folder / STAGES).read_text(encoding="utf-8"))["stages"])


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


def without_hints(on_line: Callable[[str], None]) -> Callable[[str], None]:
    """``on_line`` for the lines that are no advice of DVC's on what to type next."""

    def tell(line: str) -> None:
        if not _HINTS.match(line.strip()):
            on_line(line)

    return tell


def ask(folder: Path, environment: Mapping[str, str], arguments: list[str]) -> list[str]:
    """The output of a short command, which is run again if it was killed, since no task does that for it."""
    for is_last in (False, False, True):
        try:
            return dvc(folder, environment, arguments, lambda _: None)
        except CommandError as error:
            if is_last or not error.is_lost:
                raise
    raise AssertionError


def has_default_remote(folder: Path, environment: Mapping[str, str]) -> bool:
    """Whether DVC knows where to push to, by the project's settings or the machine's."""
    return any(line.startswith("core.remote=") for line in ask(folder, environment, ["config", "--list"]))


@contextlib.contextmanager
def whole_lock(folder: Path) -> Iterator[None]:
    """For a block that runs stages: if an earlier one did not end well, dvc.lock is first made what it was before.

    DVC does not write it beside and rename it, and one that is killed leaves half of it.
    """
    lock, before = folder / paths.DVC_LOCK, folder / _LOCK_BEFORE
    if not before.exists():
        with replaced_file(before) as beside:
            beside.write_bytes(lock.read_bytes() if lock.exists() else b"")
    elif before.stat().st_size:
        shutil.copy(before, lock)
    else:
        lock.unlink(missing_ok=True)
    yield
    before.unlink()
