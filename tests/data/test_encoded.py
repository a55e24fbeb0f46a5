import hashlib
import itertools
import json
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data import encoding
from seq2sum.data.encoded import EncodedColumn, EncodedPairs, read_info
from seq2sum.data.encoding import encode_pairs
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.data.pretraining import gap_sentences
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.data_config import EncodeParams
from seq2sum.errors import UserError

PARAMS = EncodeParams(max_source_tokens=12, max_target_tokens=3, pretrain_sentences=0, word_vectors=None)
PAIRS = [
    Pair(str(number), str(number), f"Item {number} of the list: {'long ' * (number % 9)}text", f"item {number}" * 2)
    for number in range(1100)  # more than a batch
]
TOKENIZER = Tokenizer.train((pair.document for pair in PAIRS[:50]), vocab_size=320, min_frequency=2)


def encode(folder: Path, num_workers: int = 1, params: EncodeParams = PARAMS) -> Path:
    tables = {"train": folder.with_name("train.parquet"), "val": folder.with_name("val.parquet")}
    write_pairs(tables["train"], PAIRS)
    write_pairs(tables["val"], PAIRS[:7])
    folder.mkdir()
    encode_pairs(tables, TOKENIZER, params, folder, num_workers)
    return folder


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("encoded") / "out")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reading_gives_the_tokenizers_ids_cut_to_the_limits(encoded: Path) -> None:
    pairs = EncodedPairs.open(encoded / "train")
    everything = np.arange(len(pairs))
    sources, targets = pairs.sources(everything), pairs.targets(everything)
    assert len(pairs) == len(PAIRS)
    assert [row.tolist() for row in sources] == [TOKENIZER.encode(pair.document)[:12] for pair in PAIRS]
    assert [row.tolist() for row in targets] == [TOKENIZER.encode(pair.summary)[:3] for pair in PAIRS]
    assert pairs.source_lengths.tolist() == [len(row) for row in sources]
    assert pairs.target_lengths.tolist() == [len(row) for row in targets]
    assert sources[0].dtype == pairs.source_lengths.dtype == np.int32


def test_rows_come_in_the_order_asked_for_without_a_copy(encoded: Path) -> None:
    pairs = EncodedPairs.open(encoded / "train")
    asked = np.array([1099, 3, 3, 1000, 999])
    rows = pairs.sources(asked)
    assert [row.tolist() for row in rows] == [TOKENIZER.encode(PAIRS[i].document)[:12] for i in asked]
    assert np.shares_memory(rows[1], rows[2])
    assert not rows[0].flags.writeable
    assert pairs.sources(np.array([], int)) == []


def test_what_is_written_does_not_depend_on_the_workers_or_the_run(
    encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setattr(encoding, "PAIRS_PER_WORKER", 300)
    (tmp_path / "elsewhere").mkdir()
    assert contents(encode(tmp_path / "one", num_workers=1)) == contents(encoded)
    assert "num_proc" not in capfd.readouterr().err
    assert contents(encode(tmp_path / "elsewhere" / "three", num_workers=5)) == contents(encoded)
    assert "num_proc=3" in capfd.readouterr().err  # 1,100 pairs are work for three


def test_nothing_but_the_data_is_left_behind(encoded: Path) -> None:
    assert sorted(path.name for path in encoded.iterdir()) == ["info.json", "train", "val"]


def test_the_info_counts_what_was_cut(encoded: Path) -> None:
    info = read_info(encoded)
    documents = [TOKENIZER.encode(pair.document) for pair in PAIRS]
    summaries = [TOKENIZER.encode(pair.summary) for pair in PAIRS]
    assert info["splits"]["train"] == {
        "num_pairs": 1100,
        "num_cut_sources": sum(len(ids) > 12 for ids in documents),
        "num_cut_targets": sum(len(ids) > 3 for ids in summaries),
        "num_source_tokens": sum(min(12, len(ids)) for ids in documents),
        "num_target_tokens": sum(min(3, len(ids)) for ids in summaries),
    }
    assert info["splits"]["val"]["num_pairs"] == 7
    assert info["vocab_size"] == TOKENIZER.vocab_size
    assert (info["max_source_tokens"], info["max_target_tokens"]) == (12, 3)


def test_pretraining_data_is_made_of_trains_documents_alone(tmp_path: Path) -> None:
    params = PARAMS.model_copy(update={"pretrain_sentences": 1, "max_target_tokens": 40, "max_source_tokens": 40})
    table = tmp_path / "train.parquet"
    document = "The first sentence stands here. The second sentence is here as well. Third."
    write_pairs(table, [Pair("1", "1", document, "summary"), Pair("2", "2", "A single sentence is lost.", "summary")])
    info = encode_pairs({"train": table, "val": table}, TOKENIZER, params, tmp_path / "out", 1)
    pairs = EncodedPairs.open(tmp_path / "out" / "pretrain")
    ((rest, lost),) = gap_sentences(document, 1)
    assert TOKENIZER.decode(pairs.sources(np.array([0]))[0]) == rest
    assert TOKENIZER.decode(pairs.targets(np.array([0]))[0]) == lost
    assert info["splits"]["pretrain"]["num_pairs"] == len(pairs) == 1
    assert info["splits"]["train"]["num_pairs"] == 2


def test_the_digest_tells_contents_apart(encoded: Path, tmp_path: Path) -> None:
    changed = encode(tmp_path / "changed", params=PARAMS.model_copy(update={"max_target_tokens": 2}))
    assert read_info(changed)["digest"] != read_info(encoded)["digest"]


def digest_of(rows: list[list[int]], chunk_sizes: list[int]) -> bytes:
    bounds = np.cumsum([0, *chunk_sizes, len(rows)]).clip(max=len(rows))
    chunks = [rows[start:end] for start, end in itertools.pairwise(bounds)]
    digest = hashlib.sha256()
    EncodedColumn(pa.chunked_array(chunks, pa.list_(pa.int32()))).update(digest)
    return digest.digest()


lists = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=8)


@given(lists, lists, st.lists(st.integers(0, 4), max_size=4))
def test_the_digest_depends_on_the_lists_and_not_on_chunks(
    left: list[list[int]], right: list[list[int]], chunk_sizes: list[int]
) -> None:
    assert (digest_of(left, []) == digest_of(right, chunk_sizes)) == (left == right)
    assert digest_of(left, []) == digest_of(left, chunk_sizes)


@given(lists.filter(bool), st.integers(0, 5), st.data())
def test_sliced_columns_read_right(rows: list[list[int]], start: int, data: st.DataObject) -> None:
    rows = [[7, 7], *rows]
    start = min(start, len(rows) - 1)
    column = EncodedColumn(pa.chunked_array([rows, rows], pa.list_(pa.int32())).slice(start))
    expected = (rows + rows)[start:]
    asked = data.draw(st.lists(st.integers(0, len(expected) - 1)))
    assert [row.tolist() for row in column.rows(np.array(asked, int))] == [expected[i] for i in asked]
    assert column.lengths.tolist() == [len(row) for row in expected]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.parquet: not found"):
        encode_pairs({"train": tmp_path / "none.parquet"}, TOKENIZER, PARAMS, tmp_path, 1)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    write_pairs(table, PAIRS)
    content = bytearray(table.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[100:footer] = bytes(footer - 100)
    table.write_bytes(content)
    with pytest.raises(UserError, match=r"(?s)table\.parquet: damaged: .*Remove it"):
        encode_pairs({"train": table}, TOKENIZER, PARAMS, tmp_path, 1)


def test_a_full_disk_is_no_damaged_table(tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    write_pairs(table, PAIRS)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk, writing beyond the limit is an OSError
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            encode_pairs({"train": table}, TOKENIZER, PARAMS, tmp_path, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def arrow_file(folder: Path) -> Path:
    return next(folder.glob("*.arrow"))


def write_columns(folder: Path, columns: dict[str, pa.Array]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(arrow_file(folder)), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


ONE_ROW = pa.array([[1]], pa.list_(pa.int32()))
DAMAGES: dict[str, Callable[[Path], object]] = {
    "holds no encoded pairs": shutil.rmtree,
    "damaged: Expected to read": lambda folder: arrow_file(folder).write_bytes(b"garbage" * 10),
    "damaged: .*null or length 0": lambda folder: arrow_file(folder).write_bytes(b""),
    "damaged: Expected to be able to read": lambda folder: arrow_file(folder).write_bytes(
        arrow_file(folder).read_bytes()[:20_000]
    ),
    "damaged: .*target_ids": lambda folder: write_columns(folder, {"source_ids": ONE_ROW}),
    "its columns are not lists of 32-bit integers": lambda folder: write_columns(
        folder, {"source_ids": ONE_ROW, "target_ids": pa.array([[1]])}
    ),
    "its columns are not lists": lambda folder: write_columns(
        folder, {"source_ids": ONE_ROW, "target_ids": pa.array([[1, None]], pa.list_(pa.int32()))}
    ),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_broken_pairs_are_named_with_their_mend(encoded: Path, tmp_path: Path, message: str) -> None:
    folder = tmp_path / "train"
    shutil.copytree(encoded / "train", folder)
    DAMAGES[message](folder)
    with pytest.raises(UserError, match=rf"train: {message}.*encode stage"):
        EncodedPairs.open(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not found"),
        ("{", "not readable as JSON"),
        ("[]", "version 1"),
        (json.dumps({"version": 0}), "version 1"),
    ],
)
def test_a_broken_info_is_named_with_its_mend(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "info.json").write_text(content)
    with pytest.raises(UserError, match=rf"info\.json: .*{message}.*encode stage"):
        read_info(tmp_path)
