"""Folders of files for batches: a path, or a prefix in an S3 store (`s3://bucket/prefix`), behind one interface.

The store's keys and endpoint come from the environment, as MLflow's do: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
MLFLOW_S3_ENDPOINT_URL or AWS_ENDPOINT_URL.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from botocore.exceptions import BotoCoreError

from seq2sum.errors import UserError
from seq2sum.files import replaced_file

_S3 = "s3://"


class Folder(Protocol):
    """Files by their names within the folder, with slashes. What is written is there as a whole or not at all."""

    def names(self) -> list[str]:
        """Of all files, also those further down, in order; without hidden ones."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def open(self, name: str) -> IO[bytes]:
        """For reading."""

    def fetched(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """The file on this machine's disk, under its own name, for the length of the block."""

    def written(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A path to write to; what stands there at the end of the block becomes the file."""

    def remove(self, name: str) -> None:
        """Removes the file."""


def open_folder(address: str) -> Folder:
    """The folder of that address; it need not exist. Raises UserError for a bucket without a name."""
    if not address.startswith(_S3):
        return LocalFolder(Path(address))
    if not address.removeprefix(_S3).strip("/"):
        raise UserError(f"{address}: names no bucket. Write s3://bucket/prefix.")
    return StoreFolder(address)


class LocalFolder:
    """On this machine's disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def names(self) -> list[str]:
        """As in :class:`Folder`."""
        files = sorted(path for path in self._root.rglob("*") if path.is_file() and not path.name.startswith("."))
        return [path.relative_to(self._root).as_posix() for path in files]

    def exists(self, name: str) -> bool:
        """As in :class:`Folder`."""
        return (self._root / name).exists()

    def open(self, name: str) -> IO[bytes]:
        """As in :class:`Folder`."""
        return (self._root / name).open("rb")

    @contextlib.contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """As in :class:`Folder`: the file itself."""
        yield self._root / name

    @contextlib.contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """As in :class:`Folder`."""
        with replaced_file(self._root / name) as beside:
            yield beside

    def remove(self, name: str) -> None:
        """As in :class:`Folder`."""
        (self._root / name).unlink()


class StoreFolder:
    """In an S3 store. Raises UserError where that can't be reached, refuses, or has no such bucket."""

    def __init__(self, address: str) -> None:
        import s3fs

        self._address, self._root = address.rstrip("/"), address.removeprefix(_S3).rstrip("/")
        # Without its caches: others write there, too.
        self._store: Any = s3fs.S3FileSystem(
            endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def __str__(self) -> str:
        return self._address

    def names(self) -> list[str]:
        """As in :class:`Folder`."""
        with self._errors():
            found = [str(key).removeprefix(f"{self._root}/") for key in self._store.find(self._root)]
        return sorted((name for name in found if not PurePosixPath(name).name.startswith(".")), key=PurePosixPath)

    def exists(self, name: str) -> bool:
        """As in :class:`Folder`."""
        with self._errors():
            return bool(self._store.exists(self._key(name)))

    def open(self, name: str) -> IO[bytes]:
        """As in :class:`Folder`; parts are read as they are asked for."""
        with self._errors():
            stream: IO[bytes] = self._store.open(self._key(name), "rb")
            return stream

    @contextlib.contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """As in :class:`Folder`: a copy."""
        with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
            copy = Path(temporary) / PurePosixPath(name).name
            with self._errors():
                self._store.get_file(self._key(name), str(copy))
            yield copy

    @contextlib.contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """As in :class:`Folder`: a store shows an object when all of it has arrived."""
        with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
            beside = Path(temporary) / PurePosixPath(name).name
            yield beside
            with self._errors():
                self._store.put_file(str(beside), self._key(name))

    def remove(self, name: str) -> None:
        """As in :class:`Folder`."""
        with self._errors():
            self._store.rm_file(self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, BotoCoreError) as error:
            raise UserError(f"{self._address}: {error}. Check the bucket, the endpoint and the keys.") from error
