"""The lists of a Debian archive that matter here, however they were fetched."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

# The components whose packages are free software: Debian's and Ubuntu's.
FREE_COMPONENTS = ("main", "universe")


@dataclass(frozen=True, slots=True)
class Index:
    """One list: its name in the archive, as ``suite/main/binary-amd64/Packages``, and how to open its plain bytes."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class PackageLists:
    """The package and description lists of one or more releases of one distribution."""

    origin: str
    release: str
    packages: tuple[Index, ...]
    translations: tuple[Index, ...]
