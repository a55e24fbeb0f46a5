"""Package lists read from a Debian mirror over HTTPS, for machines without apt.

The lists are checked by size and SHA-256 against the suite's ``InRelease`` file. That file's signature is not
checked: what vouches for it is the connection to the mirror, so name one that you trust.
"""

import bz2
import functools
import gzip
import http.client
import ipaddress
import lzma
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit
from urllib.request import Request

from tqdm import tqdm

from seq2sum.data.sources.debian_lists import FREE_COMPONENTS, Index, PackageLists
from seq2sum.data.sources.descriptions import read_stanzas
from seq2sum.errors import UserError
from seq2sum.files import sha256_of

# One architecture for all machines: the descriptions hardly differ, and so all get the same pairs.
_PACKAGES = "binary-amd64/Packages"
_TRANSLATION = "i18n/Translation-en"
_COMPRESSIONS = (".xz", ".gz", ".bz2", "")
_TIMEOUT_SECONDS = 60.0
_NUM_ATTEMPTS = 4
_RETRY_SECONDS = 1.0
_CHUNK_BYTES = 2**16
_MAX_RELEASE_BYTES = 16 * 2**20
_MEND = "Check SEQ2SUM_DEBIAN_MIRROR, SEQ2SUM_DEBIAN_SUITE and the network, then run again (downloads are kept)."


def fetch_from_mirror(mirror: str, suite: str, folder: Path) -> PackageLists:
    """Downloads the lists of one suite into ``folder``; an interrupted download continues, a whole one is kept.

    ``mirror`` is the URL under which ``dists/`` lies. Raises UserError if it is neither https nor on this machine,
    cannot be reached, or serves lists that do not match the suite's ``InRelease``.
    """
    base = f"{mirror.rstrip('/')}/dists/{suite}"
    text = _read_release(f"{base}/InRelease")
    fields = frozenset({"Origin", "Codename", "Version", "SHA256"})
    release = next((stanza for stanza in read_stanzas(text.splitlines(), fields) if "SHA256" in stanza), None)
    if release is None:
        raise UserError(f"{base}/InRelease: holds no SHA256 sums. {_MEND}")
    sums = {name: (int(size), sha256) for sha256, size, name in map(str.split, release["SHA256"].split("\n")[1:])}
    indexes: dict[str, list[Index]] = {_PACKAGES: [], _TRANSLATION: []}
    for component in FREE_COMPONENTS:
        for list_name, found in indexes.items():
            name = f"{component}/{list_name}"
            packed = next((name + suffix for suffix in _COMPRESSIONS if name + suffix in sums), None)
            if packed is not None:
                path = _download(f"{base}/{packed}", *sums[packed], folder)
                found.append(Index(f"{suite}/{name}", functools.partial(_open, path, Path(packed).suffix)))
    if not all(indexes.values()):
        missing = ", ".join(name for name, found in indexes.items() if not found)
        raise UserError(f"{base}/InRelease: lists no {missing} in {' or '.join(FREE_COMPONENTS)}. {_MEND}")
    return PackageLists(
        origin=release.get("Origin", "unknown"),
        release=f"{release.get('Codename', suite)} {release.get('Version', '')}".strip(),
        packages=tuple(indexes[_PACKAGES]),
        translations=tuple(indexes[_TRANSLATION]),
    )


def _download(url: str, num_bytes: int, sha256: str, folder: Path) -> Path:
    """Downloads to a file named by its hash, so that a part of it is never continued with other content."""
    path, part = folder / sha256, folder / f"{sha256}.part"
    if path.exists() and sha256_of(path) == sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    problem: Exception | None = None
    for attempt in range(_NUM_ATTEMPTS):
        time.sleep(attempt * _RETRY_SECONDS)
        try:
            _continue_download(url, part, num_bytes)
        except urllib.error.HTTPError as error:
            raise UserError(f"{url}: {error}. {_MEND}") from error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        if part.exists() and part.stat().st_size >= num_bytes:
            break
    else:
        raise UserError(f"{url}: the download broke off: {problem or 'too few bytes'}. {_MEND}") from problem
    if part.stat().st_size != num_bytes or sha256_of(part) != sha256:
        part.unlink()
        raise UserError(
            f"{url}: not what the suite's InRelease promises ({num_bytes} bytes, SHA-256 {sha256}). "
            "The mirror may be changing just now: run again later, or name another in SEQ2SUM_DEBIAN_MIRROR."
        )
    part.replace(path)
    return path


def _continue_download(url: str, part: Path, num_bytes: int) -> None:
    start = part.stat().st_size if part.exists() else 0
    if start >= num_bytes:
        return
    with _request(url, {"Range": f"bytes={start}-"} if start else {}) as response:
        continues = response.status == 206
        name = urlsplit(url).path.rpartition("/dists/")[2]
        with (
            part.open("ab" if continues else "wb") as stream,
            tqdm(total=num_bytes, initial=start if continues else 0, unit="B", unit_scale=True, desc=name) as progress,
        ):
            # One byte more than promised is enough to know that it is something else.
            while stream.tell() <= num_bytes and (chunk := response.read(_CHUNK_BYTES)):
                stream.write(chunk)
                progress.update(len(chunk))


def _read_release(url: str) -> str:
    try:
        with _request(url, {}) as response:
            return response.read(_MAX_RELEASE_BYTES).decode("utf-8")
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise UserError(f"{url}: {error}. {_MEND}") from error


def _request(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    _require_secure(url)
    request = Request(url, headers=headers)
    opener = urllib.request.build_opener(_SecureRedirects)
    return cast(http.client.HTTPResponse, opener.open(request, timeout=_TIMEOUT_SECONDS))


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_secure(url: str) -> None:
    """Raises UserError unless the URL is https, or http on this very machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username is not None or not host:
        raise UserError(
            "SEQ2SUM_DEBIAN_MIRROR: give a URL with a host and without a user name, as https://host/debian."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise UserError(
            f"{parts.scheme}://{host}: lists are read over https only, because nothing else vouches for them. "
            "Name an https mirror in SEQ2SUM_DEBIAN_MIRROR."
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open(path: Path, suffix: str) -> IO[bytes]:
    """The plain bytes of a downloaded list. It matched its sum, so it is not damaged."""
    if suffix == ".xz":
        return lzma.open(path, "rb")
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if suffix == ".bz2":
        return bz2.open(path, "rb")
    return path.open("rb")
