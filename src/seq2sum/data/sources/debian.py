"""Pairs from package descriptions: the long description of a package and its one-line synopsis.

The lists come from apt where the machine has it. Where it has none, or another mirror is wanted, the environment
variable SEQ2SUM_DEBIAN_MIRROR names a mirror (the https URL under which its ``dists`` folder lies) and
SEQ2SUM_DEBIAN_SUITE the suite to read there (``stable`` if unset).
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from seq2sum.data.pairs import Pair, Split
from seq2sum.data.sources.base import DataCard, Fetched
from seq2sum.data.sources.debian_apt import fetch_with_apt, has_apt
from seq2sum.data.sources.debian_lists import Index, PackageLists
from seq2sum.data.sources.debian_mirror import fetch_from_mirror
from seq2sum.data.sources.descriptions import (
    Description,
    Package,
    is_stand_in,
    rank_in_source,
    read_descriptions,
    read_packages,
    templates,
)
from seq2sum.data_config import DebianSource
from seq2sum.errors import UserError


class DebianDescriptions:
    """One pair for each source package, which is its group too, in the order of their names.

    Of a source's packages one stands for it (:func:`rank_in_source`); stand-ins such as transitional packages do
    not count. Paragraphs that recur across sources, the package's own name apart, are boilerplate and left out of
    the document. The card's ``num_dropped`` counts source packages.
    """

    splits: tuple[Split | None, ...] = (None,)

    def __init__(self, source: DebianSource, downloads: Path) -> None:
        """``downloads`` is the folder for what is fetched; what it holds already is not fetched again."""
        self._source = source
        self._downloads = downloads
        self.card = DataCard(
            origin="Package descriptions",
            licence="Each description is under the licence of the package that it belongs to.",
            release="",
        )

    def pairs(self, split: Split | None) -> Iterator[Pair]:
        """Yields the pairs. Raises UserError if the lists cannot be fetched."""
        assert split is None
        lists = _fetch(self._downloads)
        self.card.origin = f"{lists.origin} package descriptions (binary packages' long descriptions and synopses)"
        self.card.release = lists.release
        self.card.fetched.clear()
        self.card.num_dropped.clear()
        chosen = self._choose(lists)
        num_sources = Counter(
            template
            for package, description in chosen.values()
            for template in set[str]().union(*(templates(text, package) for text in description.paragraphs))
        )
        seen: set[str] = set()
        for name, (package, description) in sorted(chosen.items()):
            document = "\n".join(
                text
                for text in description.paragraphs
                if max(map(num_sources.__getitem__, templates(text, package))) < self._source.min_boilerplate_sources
            )
            if not document or not description.synopsis:
                self.card.drop("nothing but boilerplate")
            elif document in seen:
                self.card.drop("same document as an earlier source")
            else:
                seen.add(document)
                yield Pair(f"{name}/{package.name}", name, document, description.synopsis)

    def _choose(self, lists: PackageLists) -> dict[str, tuple[Package, Description]]:
        """The package that stands for each source, with its description."""
        packages = [package for index in lists.packages for package in read_packages(self._lines(index))]
        descriptions = {
            md5: description
            for index in lists.translations
            for md5, description in read_descriptions(self._lines(index))
        }
        candidates: dict[str, list[Package]] = {}
        for package in packages:
            candidates.setdefault(package.source, []).append(package)
        chosen = {}
        for name, of_source in candidates.items():
            described = [package for package in of_source if package.description_md5 in descriptions]
            genuine = [
                package for package in described if not is_stand_in(package, descriptions[package.description_md5])
            ]
            if genuine:
                best = min(genuine, key=rank_in_source)
                chosen[name] = best, descriptions[best.description_md5]
            else:
                self.card.drop("only stand-ins" if described else "no description")
        return chosen

    def _lines(self, index: Index) -> Iterator[str]:
        """The lines of a list; its hash enters the card when they are exhausted."""
        digest = hashlib.sha256()
        num_bytes = 0
        with index.open() as stream:
            for line in stream:
                digest.update(line)
                num_bytes += len(line)
                # UTF-8 by Debian Policy 5.1; a stray byte in one description is not worth all the others.
                yield line.decode("utf-8", errors="replace")
        self.card.fetched.append(Fetched(index.name, num_bytes, digest.hexdigest()))


def _fetch(downloads: Path) -> PackageLists:
    mirror = os.environ.get("SEQ2SUM_DEBIAN_MIRROR")
    if mirror:
        return fetch_from_mirror(mirror, os.environ.get("SEQ2SUM_DEBIAN_SUITE") or "stable", downloads / "mirror")
    if has_apt():
        return fetch_with_apt(downloads / "apt")
    raise UserError(
        "This machine has no apt to fetch the package descriptions with. Name a Debian mirror in "
        "SEQ2SUM_DEBIAN_MIRROR (the https URL under which its dists folder lies), or choose another ingest.source "
        "(hub or files) in params.yaml."
    )
