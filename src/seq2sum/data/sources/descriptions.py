"""Package descriptions: the Debian control format, and which of a source's packages stands for it.

The format is deb-control(5) and Debian Policy 5.6.13: a one-line synopsis, then lines indented by one column, of
which `` .`` separates paragraphs and those indented further are meant verbatim.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# A paragraph, its lines joined but for list items and verbatim lines, which keep lines of their own.
Paragraph = str

_LIST_ITEM = re.compile(r"[-*+•o] ")
_ANY_INDENT = 10_000
# What says of a package that it has nothing of its own, in the synopsis (alone) and in the long description.
_STAND_IN_SECTIONS = frozenset({"metapackages", "debug"})
_STAND_IN_SYNOPSIS = re.compile(
    r"transitional|transition package|(dummy|empty|virtual|meta)[ -]?package|\((dummy|meta|empty)\)"
    r"|debug(ging)? (symbols|files)",
    re.IGNORECASE,
)
_STAND_IN_BODY = re.compile(r"\b(transitional|dummy|empty)( \w+)? package\b|\bempty metapackage\b", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.+]+")
_SIDE_PACKAGE = re.compile(r"-(bin|common|data|dbg|dev|doc|docs|examples|l10n|locales|tests|tools|utils)$")


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package as the index lists it; ``description_md5`` points to its description."""

    name: str
    source: str
    section: str
    description_md5: str


@dataclass(frozen=True, slots=True)
class Description:
    """A synopsis, without line breaks, and the paragraphs of the long description."""

    synopsis: str
    paragraphs: tuple[Paragraph, ...]


def read_stanzas(lines: Iterable[str], fields: frozenset[str]) -> Iterator[dict[str, str]]:
    """Yields each stanza's values of ``fields``; a value's further lines keep their line breaks and indents."""
    stanza: dict[str, str] = {}
    name = ""
    for line in map(str.rstrip, lines):
        if not line:
            if stanza:
                yield stanza
            stanza, name = {}, ""
        elif line[0] in " \t":
            if name:
                stanza[name] += "\n" + line
        else:
            name, _, value = line.partition(":")
            if name in fields:
                stanza[name] = value.strip()
            else:
                name = ""
    if stanza:
        yield stanza


def read_packages(lines: Iterable[str]) -> Iterator[Package]:
    """Yields the packages of a ``Packages`` index that point to a description."""
    for stanza in read_stanzas(lines, frozenset({"Package", "Source", "Section", "Description-md5"})):
        if "Package" in stanza and "Description-md5" in stanza:
            # "Source: name (version)" where the versions differ.
            source = stanza.get("Source", stanza["Package"]).split(" ")[0]
            section = stanza.get("Section", "").rpartition("/")[2]
            yield Package(stanza["Package"], source, section, stanza["Description-md5"])


def read_descriptions(lines: Iterable[str]) -> Iterator[tuple[str, Description]]:
    """Yields the MD5 and the description of each stanza of a ``Translation-en`` index."""
    for stanza in read_stanzas(lines, frozenset({"Description-md5", "Description-en"})):
        if len(stanza) == 2:
            synopsis, *body = stanza["Description-en"].split("\n")
            yield stanza["Description-md5"], Description(" ".join(synopsis.split()), tuple(unwrap(body)))


def unwrap(body: Iterable[str]) -> list[Paragraph]:
    """The paragraphs of a long description, given its lines with their indents.

    Wrapped lines are joined by a space. List items and verbatim lines stay lines of their own.
    """
    paragraphs: list[list[str]] = [[]]
    continuing = range(0)  # the indents at which a line continues the one above
    for line in body:
        content = " ".join(line.split())
        indent = len(line) - len(line.lstrip())
        if content in ("", "."):
            paragraphs.append([])
            continuing = range(0)
        elif _LIST_ITEM.match(content):
            paragraphs[-1].append(content)
            continuing = range(1 if indent == 1 else indent + 1, _ANY_INDENT)
        elif indent in continuing:
            paragraphs[-1][-1] += " " + content
        else:
            paragraphs[-1].append(content)
            continuing = range(1, 2) if indent == 1 else range(0)
    return ["\n".join(lines) for lines in paragraphs if lines]


def is_stand_in(package: Package, description: Description) -> bool:
    """Whether the package has nothing of its own: transitional, dummy or empty, a metapackage, debug symbols."""
    return (
        package.section in _STAND_IN_SECTIONS
        or _STAND_IN_SYNOPSIS.search(description.synopsis) is not None
        or any(_STAND_IN_BODY.search(paragraph) for paragraph in description.paragraphs)
    )


def rank_in_source(package: Package) -> tuple[bool, bool, int, str]:
    """Smallest for the package that best stands for its source.

    First the one named as the source, then those of the main thing before its data, headers and the like, then
    the shortest name.
    """
    return package.name != package.source, bool(_SIDE_PACKAGE.search(package.name)), len(package.name), package.name


def templates(paragraph: Paragraph, package: Package) -> set[str]:
    """What of a paragraph may recur elsewhere: itself, and itself with a blank for the package's own name."""
    name = f"-{package.name.removeprefix('lib')}-"
    return {
        " ".join(paragraph.split()),
        " ".join("_" if f"-{_as_name(word)}-" in name else word for word in paragraph.split()),
    }


def _as_name(word: str) -> str:
    """A word as it would stand in a package's name: ``"Foo::Bar_baz",`` as ``foo-bar-baz``."""
    return _NOT_IN_NAMES.sub("-", word.lower()).strip("-")
