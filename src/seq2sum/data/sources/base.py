"""What every source of pairs offers: its pairs, split by split, and a data card that tells where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from seq2sum.data.pairs import Pair, Split


@dataclass(frozen=True, slots=True)
class Fetched:
    """A thing that was read: its name at its origin, and the size in bytes and SHA-256 of its content."""

    name: str
    num_bytes: int
    sha256: str


@dataclass(slots=True)
class DataCard:
    """Where pairs come from and under which terms, and what became of what was read.

    ``num_dropped`` counts the candidates that the source left out, by reason.
    """

    origin: str
    licence: str
    release: str
    fetched: list[Fetched] = field(default_factory=list)
    num_dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str) -> None:
        """Counts a candidate that was left out."""
        self.num_dropped[reason] = self.num_dropped.get(reason, 0) + 1


class Source(Protocol):
    """Pairs of one origin. The card is complete once the pairs have been read to their end."""

    card: DataCard

    @property
    def splits(self) -> tuple[Split | None, ...]:
        """The splits that the source comes with; ``(None,)`` if it has none."""

    def pairs(self, split: Split | None) -> Iterator[Pair]:
        """Yields the pairs of one of ``splits``, in the same order each time.

        Raises UserError when the source cannot be reached or read.
        """
