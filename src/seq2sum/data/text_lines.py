"""The lines of text files, compressed or not, with errors that name file and line."""

import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from seq2sum.errors import UserError

# A longer line is a file of another kind (one JSON array, say) or an open quote: reading on would fill the memory.
MAX_LINE_BYTES = 64 * 2**20

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def utf_16_problem(beginning: bytes) -> str | None:
    """What is wrong, and the mend, if a file begins with the byte order mark of UTF-16."""
    if not beginning.startswith(_UTF_16):
        return None
    return "UTF-16, by its first bytes, not UTF-8. Save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8."


def compression_of(path: Path) -> str:
    """The suffix of a compressed file, or nothing."""
    suffix = path.suffix.lower()
    return suffix if suffix in (".gz", ".xz", ".zst") else ""


def _open(path: Path) -> IO[bytes]:
    compression = compression_of(path)
    if compression == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if compression == ".xz":
        return lzma.open(path, "rb")
    if compression == ".zst":  # Arrow's reader, because it notices a stream that is cut short
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def lines_of(path: Path) -> Iterator[str]:
    """The decoded lines of a file, with their ends, without a byte order mark.

    Raises UserError at the first line that is too long or not UTF-8, and as :func:`lines_and_problems` does.
    """
    for number, (line, problem) in enumerate(lines_and_problems(path), start=1):
        if problem:
            raise UserError(f"{path}, line {number}: {problem}")
        yield line


def lines_and_problems(path: Path) -> Iterator[tuple[str, str | None]]:
    """Like :func:`lines_of`, but tells what is wrong with a line, and the mend, beside what can be read of it.

    Raises UserError for a file that is damaged, cut short or in UTF-16.
    """
    number = 0
    with _open(path) as stream:
        while True:
            number += 1
            try:
                line = stream.readline(MAX_LINE_BYTES + 1)
                is_long = len(line) > MAX_LINE_BYTES
                # The rest of such a line is no line of its own.
                rest = line if is_long else b""
                while rest and not rest.endswith(b"\n"):
                    rest = stream.readline(MAX_LINE_BYTES)
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
                if isinstance(error, OSError) and error.filename:
                    raise
                raise UserError(
                    f"{path}: cannot be read on from line {number}: {error}. "
                    "The file is damaged or cut short: copy or pack it again."
                ) from error
            if not line:
                return
            if number == 1 and (problem := utf_16_problem(line)):
                raise UserError(f"{path}: {problem}")
            if is_long:
                yield (
                    "",
                    f"longer than {MAX_LINE_BYTES >> 20} MiB. Write one row a line (a JSON array is not JSON Lines).",
                )
            else:
                yield _decoded(line, "utf-8-sig" if number == 1 else "utf-8")


def _decoded(line: bytes, encoding: str) -> tuple[str, str | None]:
    try:
        return line.decode(encoding), None
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte {error.start + 1}: 0x{line[error.start]:02x})"
        return line.decode(encoding, "replace"), f"{problem}. Convert the file, for example with iconv."
