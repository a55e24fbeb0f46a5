"""A model as a person names it: a folder, or a version of the registry."""

import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import seq2sum
from pipeline import paths
from pipeline.lineage import folder_fingerprint
from seq2sum.errors import UserError
from seq2sum.files import sha256_of

if TYPE_CHECKING:
    from pipeline.tracking.registry import Version
    from seq2sum.config import SearchParams
    from seq2sum.summarize import Summarizer

CHAMPION = "champion"


class NamedModel(NamedTuple):
    """A model folder. For a registered version the package that it was registered with as well."""

    name: str
    folder: Path
    code: Path | None
    version: "Version | None"

    def summarize(self, documents: Sequence[str]) -> list[str]:
        """The model's summaries under its own settings; a version writes them with its own code, as it is served.

        Shows progress where standard error is a terminal. Raises UserError naming the file that is damaged.
        """
        from pipeline.hardware import num_threads, use_hardware

        device, is_terminal = str(use_hardware()), sys.stderr.isatty()
        if self.code is not None:
            from pipeline.decoding import decode

            if is_terminal:
                print(f"{self.name} summarizes {len(documents):,} documents …", file=sys.stderr)
            return decode(self.code, self.folder, documents, device, num_threads())
        summarizer, search = self._own(device)
        return [one.text for one in summarizer.summarize(documents, search, progress=is_terminal)]

    def require_whole(self) -> None:
        """Raises UserError naming the file that a model folder lacks. A version's were checked as it was fetched."""
        if self.code is None:
            self._own("cpu")

    def fingerprint(self) -> str:
        """SHA-256 over all that decides what it writes: weights, vocabulary, settings, and the code that reads them."""
        package = self.code / seq2sum.__name__ if self.code is not None else Path(seq2sum.__file__).parent
        code = [f"{sha256_of(file)}  {file.relative_to(package)}" for file in sorted(package.rglob("*.py"))]
        return hashlib.sha256("\n".join([folder_fingerprint(self.folder), *code]).encode()).hexdigest()

    def _own(self, device: str) -> "tuple[Summarizer, SearchParams]":
        from seq2sum.summarize import Summarizer

        summarizer = Summarizer.load(self.folder, device)
        if summarizer.search is None:
            raise UserError(f"{self.folder}: has no search settings (search.json). The evaluate stage writes them.")
        return summarizer, summarizer.search


@contextlib.contextmanager
def named_model(name: str) -> Iterator[NamedModel]:
    """The model for the length of the block: a folder's path, or a version's number, alias or ``models:/`` address.

    A version's files are checked against the hash that it was registered with. Raises UserError if there is no such
    model.
    """
    if is_folder(name):
        if Path(name).absolute() == paths.MODEL.absolute() and not (paths.MODEL / "model.json").exists():
            raise UserError(
                f"{name}: holds no model. `make run` makes it; while one is under way it is missing until the training "
                "is done."
            )
        yield NamedModel(name, Path(name), None, None)
        return
    from pipeline.tracking import connection, registry

    with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
        client = connection.connect()
        with connection.mlflow_errors():
            version = registry.find_named(client, name)
        fetched = registry.fetch(version, Path(temporary))
        folder = fetched / "artifacts" / paths.MODEL.name
        yield NamedModel(f"version {version.number}", folder, fetched / "code", version)


@contextlib.contextmanager
def model_folder(name: str) -> Iterator[Path]:
    """The model's folder alone; the champion's is found without a copy where the registry is on this machine."""
    if name == CHAMPION:
        from pipeline.tracking.champion import champion_folder

        with champion_folder() as folder:
            yield folder
    else:
        with named_model(name) as model:
            yield model.folder


def is_folder(name: str) -> bool:
    """Whether ``name`` is meant as a path: it is one, or looks like one."""
    return Path(name).is_dir() or ("/" in name and not name.startswith("models:/"))
