import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from seq2sum.data.pairs import Pair
from seq2sum.data.sources import debian_mirror
from seq2sum.data.sources.base import Fetched
from seq2sum.data.sources.debian import DebianDescriptions
from seq2sum.data_config import DebianSource
from seq2sum.errors import UserError
from tests.data.archive import Entry, Server, packages_list, serve, translation_list, write_archive

SUITE = [" Part of the tool suite."]
ENTRIES = [
    Entry("zeta", "zeta", "last in the alphabet", [" Zeta is the", " last.", " .", *SUITE]),
    Entry("libalpha1", "alpha", "first library", [" Alpha is the first.", "  * of", "  * all", " .", *SUITE]),
    Entry("libalpha-dev", "alpha", "headers", [" Headers."]),
    Entry("beta", "beta", "second", [*SUITE]),
    Entry("gamma", "gamma", "transitional package", [" Gone."]),
    Entry("copy", "copy", "copy of zeta", [" Zeta is the last."]),
]
PAIRS = [
    Pair("alpha/libalpha1", "alpha", "Alpha is the first.\n* of\n* all", "first library"),
    Pair("copy/copy", "copy", "Zeta is the last.", "copy of zeta"),
]
DROPPED = {"only stand-ins": 1, "nothing but boilerplate": 1, "same document as an earlier source": 1}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "SEQ2SUM_DEBIAN_SUITE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(debian_mirror, "_RETRY_SECONDS", 0.0)
    write_archive(tmp_path / "archive", ENTRIES)
    with serve(tmp_path / "archive") as state:
        monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", state.url)
        yield state


def open_source(tmp_path: Path) -> DebianDescriptions:
    return DebianDescriptions(DebianSource(kind="debian", min_boilerplate_sources=3), tmp_path / "down loads")


def downloaded(state: Server) -> list[str]:
    return [path for path, _ in state.requests if "InRelease" not in path]


def test_a_mirror_gives_one_pair_for_each_source_without_boilerplate_stand_ins_and_duplicates(
    server: Server, tmp_path: Path
) -> None:
    source = open_source(tmp_path)
    assert list(source.pairs(None)) == PAIRS
    card = source.card
    assert (card.release, card.num_dropped) == ("stable 9.1", DROPPED)
    assert "Debian" in card.origin
    assert "licence of the package" in card.licence
    assert card.fetched == [
        Fetched(f"stable/main/{name}", len(content), hashlib.sha256(content).hexdigest())
        for name, content in (
            ("binary-amd64/Packages", packages_list(ENTRIES)),
            ("i18n/Translation-en", translation_list(ENTRIES)),
        )
    ]


def test_a_second_run_downloads_nothing_again(server: Server, tmp_path: Path) -> None:
    list(open_source(tmp_path).pairs(None))
    server.requests.clear()
    assert list(open_source(tmp_path).pairs(None)) == PAIRS
    assert downloaded(server) == []


def test_reading_twice_does_not_count_twice(server: Server, tmp_path: Path) -> None:
    source = open_source(tmp_path)
    assert list(source.pairs(None)) == list(source.pairs(None))
    assert source.card.num_dropped == DROPPED
    assert len(source.card.fetched) == 2


def test_another_suite(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(server.root, ENTRIES[:1], suite="testing")
    monkeypatch.setenv("SEQ2SUM_DEBIAN_SUITE", "testing")
    source = open_source(tmp_path)
    assert [pair.group for pair in source.pairs(None)] == ["zeta"]
    assert source.card.release == "testing 9.1"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_continues(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    server.cut_after["Packages.xz"] = 100
    assert list(open_source(tmp_path).pairs(None)) == PAIRS
    asked = [span for path, span in server.requests if path.endswith("Packages.xz")]
    assert asked == ["", "bytes=100-"]


def test_an_interrupted_run_is_continued_by_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_mirror, "_NUM_ATTEMPTS", 1)
    server.cut_after["Packages.xz"] = 100
    with pytest.raises(UserError, match=r"Packages\.xz: the download broke off.*downloads are kept"):
        list(open_source(tmp_path).pairs(None))
    assert list(open_source(tmp_path).pairs(None)) == PAIRS
    assert (server.requests[-2][0][-11:], server.requests[-2][1]) == ("Packages.xz", "bytes=100-")


@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"?", lambda data: data + b"?", lambda _: b""])
def test_a_list_that_the_release_does_not_vouch_for_is_refused_and_forgotten(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: object
) -> None:
    path = server.root / "dists/stable/main/binary-amd64/Packages.xz"
    whole = path.read_bytes()
    path.write_bytes(change(whole))  # type: ignore[operator]
    with pytest.raises(UserError, match=r"Packages\.xz: (not what the suite's InRelease promises|the download broke)"):
        list(open_source(tmp_path).pairs(None))
    path.write_bytes(whole)
    assert list(open_source(tmp_path).pairs(None)) == PAIRS


def test_a_suite_or_list_that_is_not_there(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (server.root / "dists/stable/main/i18n/Translation-en.bz2").unlink()
    with pytest.raises(UserError, match=r"Translation-en\.\w+: .*404"):
        list(open_source(tmp_path).pairs(None))
    monkeypatch.setenv("SEQ2SUM_DEBIAN_SUITE", "nosuch")
    with pytest.raises(UserError, match=r"dists/nosuch/InRelease: .*404.*SEQ2SUM_DEBIAN_SUITE"):
        list(open_source(tmp_path).pairs(None))


@pytest.mark.parametrize("release", ["", "Origin: Debian\n", "Origin: Debian\nSHA256:\n"])
def test_a_release_without_the_lists(server: Server, tmp_path: Path, release: str) -> None:
    (server.root / "dists/stable/InRelease").write_text(release)
    with pytest.raises(UserError, match=r"InRelease: (holds no SHA256 sums|lists no binary-amd64/Packages)"):
        list(open_source(tmp_path).pairs(None))


@pytest.mark.parametrize("url", ["http://mirror.example/debian", "ftp://mirror.example", "mirror.example/debian", "//"])
def test_a_mirror_without_encryption_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", url)
    with pytest.raises(UserError, match="https"):
        list(open_source(tmp_path).pairs(None))


def test_a_password_in_the_mirror_is_refused_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", "https://me:hidden@mirror.example/debian")
    with pytest.raises(UserError, match="without a user name") as caught:
        list(open_source(tmp_path).pairs(None))
    assert "hidden" not in str(caught.value)


def test_a_redirection_away_from_encryption_is_refused(server: Server, tmp_path: Path) -> None:
    server.redirects["Packages.xz"] = "http://mirror.example/Packages.xz"
    with pytest.raises(UserError, match=r"http://mirror\.example: lists are read over https only"):
        list(open_source(tmp_path).pairs(None))


def test_an_unreachable_mirror(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"InRelease: .*refused.*SEQ2SUM_DEBIAN_MIRROR"):
        list(open_source(tmp_path).pairs(None))


def test_without_apt_and_mirror_the_error_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQ2SUM_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no apt .*SEQ2SUM_DEBIAN_MIRROR .*hub or files"):
        list(open_source(tmp_path).pairs(None))
