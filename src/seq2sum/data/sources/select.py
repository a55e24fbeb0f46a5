"""From the params to the source they name."""

from pathlib import Path

from seq2sum.data.sources.base import Source
from seq2sum.data.sources.debian import DebianDescriptions
from seq2sum.data.sources.files import FilePairs
from seq2sum.data.sources.hub import HubPairs
from seq2sum.data_config import DebianSource, FilesSource, HubSource


def open_source(source: DebianSource | HubSource | FilesSource, downloads: Path) -> Source:
    """The source of pairs that the params name. Unfinished downloads wait in ``downloads`` for the next run."""
    if isinstance(source, DebianSource):
        return DebianDescriptions(source, downloads / "debian")
    if isinstance(source, HubSource):
        return HubPairs(source)
    return FilePairs(source)
