import lzma
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seq2sum.data import text_lines
from seq2sum.data.sources import rows
from seq2sum.data.sources.files import FilePairs
from seq2sum.errors import UserError
from tests.data.local_files import PACKERS, ROWS, as_jsonl, read, source_of, texts


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


GOOD = as_jsonl(ROWS)
BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "unknown suffix": ("a.txt", b"x", r"a\.txt: unknown suffix.*Known are \.jsonl"),
    "no suffix": ("a", b"x", "a: unknown suffix"),
    "compressed unknown": ("a.doc.gz", b"x", r"a\.doc\.gz: unknown suffix"),
    "packed parquet": ("a.parquet.gz", b"x", r"a\.parquet\.gz: unknown suffix"),
    "empty": ("a.jsonl", b"", r"a\.jsonl: holds no rows"),
    "blank": ("a.jsonl", b"\n \n", r"a\.jsonl: holds no rows"),
    "empty csv": ("a.csv", b"", r"a\.csv: holds no rows"),
    "header alone": ("a.tsv", b"text\ttitle\n", r"a\.tsv: holds no rows"),
    "empty packed": ("a.jsonl.xz", lzma.compress(b""), "holds no rows"),
    "no column": ("a.jsonl", b'{"body": "x", "title": "y"}', r"a\.jsonl: no column 'text'\. There are: 'body'"),
    "no column csv": ("a.csv", b"body,title\nx,y\n", "no column 'text'. There are: 'body', 'title'"),
    "ambiguous": ("a.csv", b"text,title,text\nx,y,z\n", "more than one column 'text'"),
    "not JSON": ("a.jsonl", GOOD + b'{"text": "x", \n', r"a\.jsonl, line 4: not JSON: .*one JSON object a line"),
    "array": ("a.jsonl", b"[1, 2]\n", r"a\.jsonl, line 1: a list where a JSON object"),
    "scalar": ("a.jsonl", GOOD + b"null\n", "line 4: null where a JSON object"),
    "deep": ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
    "number": ("a.jsonl", GOOD + b'{"text": 3, "title": "y"}', r"a\.jsonl:4: 'text' is a number, not text"),
    "list": ("a.jsonl", b'{"text": "x", "title": ["y"]}', r"a\.jsonl:1: 'title' is a list, not text"),
    "surrogate": ("a.jsonl", b'{"text": "ok \\ud83d", "title": "y"}', r"a\.jsonl:1: 'text' is not valid Unicode"),
    "latin-1": ("a.jsonl", GOOD + "\xe4\n".encode("latin-1"), r"a\.jsonl, line 4: not UTF-8 \(byte 1: 0xe4\)"),
    "utf-16": ("a.csv", "text,title\n".encode("utf-16"), r"a\.csv: UTF-16, by its first bytes.*Save it as UTF-8"),
    "utf-16 packed": ("a.csv.xz", lzma.compress("\ufeffx".encode("utf-16-be")), r"a\.csv\.xz: UTF-16, by its first"),
    "utf-16 lines": ("a.jsonl", "{}\n".encode("utf-16"), r"a\.jsonl: UTF-16, by its first bytes"),
    "old Mac": ("a.csv", b"text,title\rx,y\rz,w\r", r"a\.csv, line 1: a carriage return without.*tr '\\r' '\\n'"),
    "old Mac row": ("a.csv", b"text,title\nx,y\nx\ry,z\n", r"a\.csv, line 3: a carriage return without"),
    "old Mac lines": ("a.jsonl", GOOD[:-1].replace(b"\n", b"\r"), r"line 1: not JSON: Extra data.*tr '\\r' '\\n'"),
    "latin-1 stray quote": ("a.csv", b'text,title\n"\xe4" x,y\n', r"a\.csv, line 2: not UTF-8 \(byte 2"),
    "latin-1 csv": ("a.csv", b'text,title\n"x\ny",z\nw,\xe4\n', r"a\.csv, line 4: not UTF-8 \(byte 3"),
    "few fields": ("a.csv", b'text,title\n"x\ny",z\nw\n', r"a\.csv, line 4: 1 fields where the header has 2"),
    "many fields": ("a.csv", b"text,title\nx,y,z\n", r"a\.csv, line 2: 3 fields where the header has 2"),
    "open quote": ("a.csv", b'text,title\nx,y\n"z,w\nx,y\n', r"a\.csv, in the row that begins on line 3: unexp"),
    "stray quote": ("a.tsv", b'text\ttitle\n"x" y\tz\n', r"a\.tsv, in the row that begins on line 2: .*Double"),
    "not gzip": ("a.jsonl.gz", GOOD, r"a\.jsonl\.gz: cannot be read on from line 1: .*damaged or cut short"),
    "not xz": ("a.jsonl.xz", GOOD, r"a\.jsonl\.xz: cannot be read on from line 1"),
    "not zstd": ("a.jsonl.zst", GOOD, r"a\.jsonl\.zst: cannot be read on from line 1"),
    "not parquet": ("a.parquet", GOOD, r"a\.parquet: not a whole Parquet file"),
    "empty parquet": ("a.parquet", b"", r"a\.parquet: not a whole Parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_named_with_the_place_and_the_mend(case: str) -> None:
    name, content, message = BAD_FILES[case]
    Path(name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read("a*")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_a_packed_file_that_is_cut_short(suffix: str, share: float) -> None:
    noise = random.Random(0)
    packed = PACKERS[suffix](as_jsonl([{"text": noise.randbytes(40).hex(), "title": "t"} for _ in range(2000)]))
    Path("a.jsonl" + suffix).write_bytes(packed[: int(share * len(packed))])
    with pytest.raises(UserError, match=r"a\.jsonl\.\w+: cannot be read on from line \d+: .*damaged or cut short"):
        read("a*")


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_packed_file_that_is_damaged(suffix: str) -> None:
    packed = bytearray(PACKERS[suffix](as_jsonl(ROWS * 500)))
    packed[len(packed) // 2] ^= 0xFF
    Path("a.jsonl" + suffix).write_bytes(packed)
    with pytest.raises(UserError, match=r"cannot be read on from line|not JSON|not UTF-8"):
        read("a*")


def test_packed_files_may_have_several_members() -> None:
    for suffix, pack in PACKERS.items():
        Path("a.jsonl" + suffix).write_bytes(pack(as_jsonl(ROWS[:1])) + pack(as_jsonl(ROWS[1:])))
    assert texts(read("a*")) == ROWS * len(PACKERS)


def test_a_cut_or_foreign_parquet_file() -> None:
    pq.write_table(pa.table({"text": ["x"] * 100, "title": ["y"] * 100, "marks": [[1]] * 100}), "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: no column 'body'\. There are: 'text', 'title', 'marks'"):
        read("a.parquet", document="body")
    with pytest.raises(UserError, match=r"a\.parquet:1: 'marks' is a list, not text"):
        read("a.parquet", summary="marks")
    Path("a.parquet").write_bytes(Path("a.parquet").read_bytes()[:-20])
    with pytest.raises(UserError, match=r"a\.parquet: not a whole Parquet file"):
        read("a.parquet")


def test_a_line_too_long_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rows, text_lines):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 2**20)
    Path("a.jsonl").write_bytes(as_jsonl(ROWS) + b'{"text": "' + b"x" * 2**20)
    with pytest.raises(UserError, match=r"a\.jsonl, line 4: longer than 1 MiB"):
        read("a.jsonl")
    Path("b.csv").write_bytes(b'text,title\n"' + b"open quote\n" * 2**17)
    with pytest.raises(UserError, match=r"b\.csv, in the row that begins on line 2: field larger than field limit"):
        read("b.csv")


def test_globs_that_match_nothing_or_too_much() -> None:
    Path("a.jsonl").write_bytes(GOOD)
    with pytest.raises(UserError, match=r"ingest\.source\.paths\.all: no file matches 'b\*'"):
        read("b*")
    with pytest.raises(UserError, match=r"ingest\.source\.paths\.val: no globs"):
        read({"train": ["a.jsonl"], "val": [], "test": ["a.jsonl"]})
    with pytest.raises(UserError, match=r"a\.jsonl: in the split 'val' and in 'train'"):
        read({"train": ["a.jsonl"], "val": ["a*"], "test": ["a.jsonl"]})


def test_a_file_that_may_not_be_read_or_is_gone() -> None:
    Path("a.jsonl").write_bytes(GOOD)
    source = FilePairs(source_of("a.jsonl"))
    Path("a.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.jsonl"):
        list(source.pairs(None))
