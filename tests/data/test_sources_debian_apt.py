"""With apt itself, on archives that the tests serve. A machine without apt has an error to show instead."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seq2sum.data.sources.debian import DebianDescriptions
from seq2sum.data.sources.debian_apt import has_apt
from seq2sum.data_config import DebianSource
from seq2sum.errors import UserError
from tests.data.archive import Entry, Server, serve, write_archive

ENTRIES = [Entry("one", "one", "the first", [" One is first."]), Entry("two", "two", "the next", [" Two is", " next."])]
DOCUMENTS = {"one": "One is first.", "two": "Two is next."}
# A proxy of the machine is not to be asked for its own loopback interface, and waiting helps no test.
APT_CONFIG = """\
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Acquire::http::Proxy::127.0.0.1 "DIRECT";
Acquire::http::Proxy::localhost "DIRECT";
Acquire::Retries "0";
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    architecture = "amd64"
    if has_apt():
        shown = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        architecture = shown.stdout.strip()
    write_archive(tmp_path / "archive/debian", ENTRIES, architectures=architecture)
    write_archive(tmp_path / "archive/debian", ENTRIES[:1], suite="stable-updates", architectures=architecture)
    third_party = [Entry("three", "three", "a third party's", [" Three is elsewhere."])]
    write_archive(tmp_path / "archive/other", third_party, origin="Elsewhere", architectures=architecture)
    for signed in (tmp_path / "archive").rglob("InRelease"):  # it only looks signed, which apt notices
        signed.unlink()
    (tmp_path / "apt.conf").write_text(APT_CONFIG.format(folder=tmp_path))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.delenv("SEQ2SUM_DEBIAN_MIRROR", raising=False)
    with serve(tmp_path / "archive") as state:
        yield state


def use_sources(tmp_path: Path, *sources: str) -> None:
    (tmp_path / "sources.list").write_text("".join(f"deb [trusted=yes] {source}\n" for source in sources))


def read_documents(tmp_path: Path) -> dict[str, str]:
    source = DebianDescriptions(DebianSource(kind="debian", min_boilerplate_sources=5), tmp_path / "down loads")
    if not has_apt():
        with pytest.raises(UserError, match="no apt"):
            list(source.pairs(None))
        return DOCUMENTS
    documents = {pair.group: pair.document for pair in source.pairs(None)}
    assert source.card.release == "stable 9.1"
    assert sorted(fetched.name.rpartition("/")[2] for fetched in source.card.fetched) == ["Packages", "Translation-en"]
    return documents


def test_only_the_base_suites_of_debian_or_ubuntu_count(server: Server, tmp_path: Path) -> None:
    debian, other = f"{server.url}/debian", f"{server.url}/other"
    use_sources(tmp_path, f"{debian} stable main", f"{debian} stable-updates main", f"{other} stable main")
    assert read_documents(tmp_path) == DOCUMENTS


def test_a_third_party_that_fails_does_not_matter(server: Server, tmp_path: Path) -> None:
    use_sources(
        tmp_path,
        f"{server.url}/nothing stable main",
        "http://localhost:9/refused stable main",
        f"{server.url}/debian stable main",
    )
    assert read_documents(tmp_path) == DOCUMENTS


def test_the_systems_hooks_and_languages_are_not_used(server: Server, tmp_path: Path) -> None:
    hook = f'APT::Update::{{kind}} {{{{ "touch {tmp_path}/{{kind}}"; }}}};\n'
    kinds = ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
    with (tmp_path / "apt.conf").open("a") as stream:
        stream.write('Acquire::Languages "none";\n' + "".join(hook.format(kind=kind) for kind in kinds))
    use_sources(tmp_path, f"{server.url}/debian stable main")
    assert read_documents(tmp_path) == DOCUMENTS
    assert not [kind for kind in kinds if (tmp_path / kind).exists()]


def test_lists_fetched_before_serve_when_the_archive_is_away(server: Server, tmp_path: Path) -> None:
    use_sources(tmp_path, f"{server.url}/debian stable main")
    assert read_documents(tmp_path) == DOCUMENTS
    (server.root / "debian").rename(server.root / "away")
    assert read_documents(tmp_path) == DOCUMENTS


def test_the_systems_own_lists_are_left_alone(server: Server, tmp_path: Path) -> None:
    lists = Path("/var/lib/apt/lists")
    before = sorted(os.listdir(lists)) if lists.exists() else None
    use_sources(tmp_path, f"{server.url}/debian stable main")
    read_documents(tmp_path)
    assert (sorted(os.listdir(lists)) if lists.exists() else None) == before


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        (["{url}/nothing stable main"], "Failed to fetch .*404"),
        (["{url}/other stable main"], "no whole lists of a base suite"),
        (["http://127.0.0.1:9/debian stable main"], "onnection refused|Could not connect"),
        (["not a source"], "Malformed|could not be read"),
        ([], "no whole lists of a base suite"),
    ],
)
def test_an_apt_that_gets_no_lists_shows_its_last_lines_and_the_mend(
    server: Server, tmp_path: Path, sources: list[str], reason: str
) -> None:
    use_sources(tmp_path, *(source.format(url=server.url) for source in sources))
    source = DebianDescriptions(DebianSource(kind="debian", min_boilerplate_sources=5), tmp_path / "downloads")
    with pytest.raises(UserError) as caught:
        list(source.pairs(None))
    assert caught.match(reason if has_apt() else "no apt")
    assert caught.match("SEQ2SUM_DEBIAN_MIRROR")


def test_descriptions_that_did_not_arrive_are_an_error(server: Server, tmp_path: Path) -> None:
    (server.root / "debian/dists/stable/main/i18n/Translation-en.bz2").unlink()
    use_sources(tmp_path, f"{server.url}/debian stable main")
    source = DebianDescriptions(DebianSource(kind="debian", min_boilerplate_sources=5), tmp_path / "downloads")
    with pytest.raises(UserError, match="no whole lists" if has_apt() else "no apt"):
        list(source.pairs(None))
