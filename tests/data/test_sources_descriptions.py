import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.sources.descriptions import (
    Description,
    Package,
    is_stand_in,
    rank_in_source,
    read_descriptions,
    read_packages,
    read_stanzas,
    templates,
    unwrap,
)


def package(name: str, source: str = "tool", section: str = "utils") -> Package:
    return Package(name, source, section, "0" * 32)


def test_reads_the_wanted_fields_of_each_stanza() -> None:
    text = "Package: a\nSize: 3\n more\nTag: x,\n y\n\n\nPackage: b\nOther: z\n"
    assert list(read_stanzas(text.splitlines(), frozenset({"Package", "Tag"}))) == [
        {"Package": "a", "Tag": "x,\n y"},
        {"Package": "b"},
    ]


def test_reads_packages_with_their_source_and_section() -> None:
    text = (
        "Package: libtool1\nSource: tool (1.2-3)\nSection: contrib/libs\nDescription-md5: aa\n\n"
        "Package: tool\nDescription-md5: bb\n\n"
        "Package: undescribed\n"
    )
    assert list(read_packages(text.splitlines())) == [
        Package("libtool1", "tool", "libs", "aa"),
        Package("tool", "tool", "", "bb"),
    ]


def test_reads_descriptions() -> None:
    text = (
        "Package: a\nDescription-md5: aa\nDescription-en: Short  one\n First line\n second.\n .\n More.\n\nPackage: b\n"
    )
    assert list(read_descriptions(text.splitlines())) == [
        ("aa", Description("Short one", ("First line second.", "More.")))
    ]


@pytest.mark.parametrize(
    ("body", "paragraphs"),
    [
        ([" one", " two", " .", " three"], ["one two", "three"]),
        ([" .", " one", " .", " .", " two", " ."], ["one", "two"]),
        ([" Features:", "  * first", "  * second"], ["Features:\n* first\n* second"]),
        ([" Has:", "  * first", "    goes on", "  * second", " Prose."], ["Has:\n* first goes on\n* second\nProse."]),
        ([" - first", " goes on", "   and on", " - second"], ["- first goes on and on\n- second"]),
        ([" For example:", "   tool --all", "   tool --none", " and so", " on"],
         ["For example:\ntool --all\ntool --none\nand so on"]),
        ([" a  b\tc"], ["a b c"]),
        ([], []),
    ],
)  # fmt: skip
def test_unwraps_prose_and_keeps_lists_and_verbatim_lines(body: list[str], paragraphs: list[str]) -> None:
    assert unwrap(body) == paragraphs


@given(st.lists(st.text(st.sampled_from("ab*- .\u00e9"), max_size=8).map(lambda text: " " + text)))
def test_unwrapping_loses_no_word(body: list[str]) -> None:
    words = [word for line in body if line.strip() != "." for word in line.split()]
    paragraphs = unwrap(body)
    assert [word for paragraph in paragraphs for word in paragraph.split()] == words
    assert all(paragraph.strip() and "  " not in paragraph for paragraph in paragraphs)


@pytest.mark.parametrize(
    ("section", "synopsis", "body"),
    [
        ("utils", "transitional package for tool", "It can be removed."),
        ("oldlibs", "tool (dummy package)", "Old."),
        ("metapackages", "everything for tools", "All of them."),
        ("utils", "tools - metapackage", "All of them."),
        ("utils", "tools (meta-package)", "All of them."),
        ("debug", "the tool", "It is for debugging."),
        ("utils", "Debugging symbols for tool", "Symbols."),
        ("utils", "tool with a new name", "This is an empty transitional package."),
        ("utils", "tool with a new name", "This dummy package can be removed."),
    ],
)
def test_stand_ins(section: str, synopsis: str, body: str) -> None:
    assert is_stand_in(package("tool", section=section), Description(synopsis, ("The tool.", body)))


@pytest.mark.parametrize(
    ("synopsis", "body"),
    [
        ("double dummy solver for bridge", "Solves a bridge deal."),
        ("reader of DWARF debug information", "Reads symbols from a program."),
        ("serif font", "A transitional serif typeface."),
        ("runtime of tool", "See the tool-all metapackage for all plugins."),
    ],
)
def test_packages_that_only_sound_like_stand_ins(synopsis: str, body: str) -> None:
    assert not is_stand_in(package("tool"), Description(synopsis, (body,)))


def test_the_package_named_as_the_source_stands_for_it_then_the_main_one_then_the_shortest() -> None:
    names = ["libtool-dev", "tool-data", "libtool1", "tool-cli-ng", "python3-tool", "tool", "tool-doc"]
    ranked = sorted(map(package, names), key=rank_in_source)
    assert [each.name for each in ranked] == [
        "tool", "libtool1", "tool-cli-ng", "python3-tool", "tool-doc", "tool-data", "libtool-dev",
    ]  # fmt: skip


def test_paragraphs_that_differ_in_the_package_name_alone_share_a_template() -> None:
    first = templates("This holds the Rust foo_bar crate.", package("librust-foo-bar-dev"))
    second = templates("This holds the Rust baz crate.", package("librust-baz-dev"))
    other = templates("This holds the Rust baz crate, unpacked.", package("librust-baz-dev"))
    assert first & second
    assert not first & other


def test_a_paragraph_is_a_template_of_itself_whatever_the_package() -> None:
    paragraph = "Part of the tool suite."
    assert templates(paragraph, package("tool")) & templates(paragraph, package("other"))


def test_perl_names_are_recognized() -> None:
    first = templates("Foo::Bar is a module.", package("libfoo-bar-perl"))
    assert first & templates("Baz is a module.", package("libbaz-perl"))
