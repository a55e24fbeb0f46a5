"""A tiny Debian archive, and a web server on this machine that serves it and can fail in the ways that servers do."""

import bz2
import hashlib
import lzma
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Entry:
    """A binary package: its name, its source's, its synopsis and the lines of its long description."""

    name: str
    source: str
    synopsis: str
    body: list[str]
    section: str = "utils"

    @property
    def md5(self) -> str:
        return hashlib.md5((self.synopsis + "\n" + "\n".join(self.body) + "\n").encode()).hexdigest()


def packages_list(entries: list[Entry]) -> bytes:
    return "".join(
        f"Package: {entry.name}\n"
        + (f"Source: {entry.source} (1.0)\n" if entry.source != entry.name else "")
        + f"Version: 1.0\nArchitecture: amd64\nDescription: {entry.synopsis}\nDescription-md5: {entry.md5}\n"
        f"Section: {entry.section}\nFilename: pool/{entry.name}.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        for entry in entries
    ).encode()


def translation_list(entries: list[Entry]) -> bytes:
    return "".join(
        f"Package: {entry.name}\nDescription-md5: {entry.md5}\nDescription-en: {entry.synopsis}\n"
        + "".join(f"{line}\n" for line in entry.body)
        + "\n"
        for entry in entries
    ).encode()


def write_archive(
    root: Path, entries: list[Entry], *, suite: str = "stable", origin: str = "Debian", architectures: str = "amd64"
) -> None:
    """Writes ``dists/<suite>`` with compressed lists and the ``InRelease`` that vouches for them (not signed)."""
    base = root / "dists" / suite
    contents = {"main/i18n/Translation-en": translation_list(entries)}
    contents |= {f"main/binary-{name}/Packages": packages_list(entries) for name in architectures.split()}
    files: dict[str, bytes] = {}
    for name, content in contents.items():
        suffix, compress = (".bz2", bz2.compress) if "i18n" in name else (".xz", lzma.compress)
        files |= {name: content, name + suffix: compress(content)}
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in files.items())
    release = (
        f"Origin: {origin}\nSuite: {suite}\nCodename: {suite}\nVersion: 9.1\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n"
        f"Architectures: {architectures}\nComponents: main\nSHA256:\n{sums}"
    )
    for name, data in files.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        if "." in name:  # archives list the plain files, but serve the compressed ones alone
            (base / name).write_bytes(data)
    (base / "Release").write_text(release)
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{release}-----BEGIN PGP SIGNATURE-----\n\niQ==\n"
    (base / "InRelease").write_text(signed + "-----END PGP SIGNATURE-----\n")


@dataclass
class Server:
    """What the server is told to do and what it was asked: ``(path, Range header)``."""

    root: Path
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    cut_after: dict[str, int] = field(default_factory=dict)  # path ending: bytes after which the connection drops, once
    redirects: dict[str, str] = field(default_factory=dict)  # path ending: where it points
    ranges: bool = True


@contextmanager
def serve(root: Path) -> Iterator[Server]:
    """Serves a folder on a free port of the loopback interface."""
    state = Server(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            state.requests.append((self.path, span))
            path = root / self.path.lstrip("/")
            target = next((to for ending, to in state.redirects.items() if self.path.endswith(ending)), None)
            if target or not path.is_file():
                self.send_response(302 if target else 404)
                if target:
                    self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = path.read_bytes()
            start = int(span.removeprefix("bytes=").split("-")[0]) if span and state.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            ending = next((ending for ending in state.cut_after if self.path.endswith(ending)), None)
            if ending is not None:
                self.wfile.write(data[start : start + state.cut_after.pop(ending)])
                self.close_connection = True
            else:
                self.wfile.write(data[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
