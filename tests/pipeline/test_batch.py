import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3fs import S3FileSystem

from pipeline.batch import CONTENTS_A_CHUNK, read_batch, summarize_folder, version_of
from seq2sum.data import text_lines
from seq2sum.drift import MEASURES
from seq2sum.errors import UserError
from seq2sum.summarize import Summarizer
from tests.pipeline.tracking.project import make_model
from tests.servers import BUCKET, S3_ENVIRONMENT, s3_store

GOOD = [f"The ferry number {number} leaves at noon and comes back before dark." for number in range(7)]
BAD_LINES = ["{not json", "[]", '{"text": ""}', '{"text": 3}', '{"other": "x"}', '{"text": "bell \\u0007"}']


@pytest.fixture(scope="module")
def summarizer(tmp_path_factory: pytest.TempPathFactory) -> Summarizer:
    folder = tmp_path_factory.mktemp("model") / "summarizer"
    make_model(folder)
    return Summarizer.load(folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Bad lines between good ones, an empty line, and the same documents as CSV and Parquet."""
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    lines = [json.dumps({"text": text}) for text in GOOD]
    mixed = [*lines[:3], *BAD_LINES, "", *lines[3:]]
    (folder / "a.jsonl").write_text("\n".join(mixed) + "\n")
    (folder / "b.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in GOOD))
    pq.write_table(pa.table({"text": [*GOOD, None]}), folder / "below/c.parquet")
    return folder


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_store(tmp_path_factory.mktemp("store")) as address:
        yield address


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3FileSystem:
    for name, value in (S3_ENVIRONMENT | {"MLFLOW_S3_ENDPOINT_URL": endpoint}).items():
        monkeypatch.setenv(name, value)
    return S3FileSystem(endpoint_url=endpoint, use_listings_cache=False)


def rows_of(target: Path, name: str) -> list[dict[str, object]]:
    parts = sorted((target / name).glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_every_row_gets_one_row_in_order_and_bad_ones_a_reason(tmp_path, source, summarizer):
    target = tmp_path / "target"
    work = summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
    assert (work.num_rows, work.num_rejected, work.num_skipped) == (13 + 7 + 8, 7, 0)
    rows = rows_of(target, "a.jsonl")
    assert [row["row"] for row in rows] == [*range(1, 10), *range(11, 15)]
    assert [row["summary"] is None for row in rows] == [False] * 3 + [True] * 6 + [False] * 4
    assert all((row["rejected"] is None) == (row["summary"] is not None) for row in rows)
    alone = [summary.text for summary in summarizer.summarize(GOOD, summarizer.search)]
    for name in ("a.jsonl", "b.csv", "below/c.parquet"):
        assert [row["summary"] for row in rows_of(target, name) if row["summary"] is not None] == alone
    rejected = [json.loads(line) for line in (target / "rejected.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rejected if row["file"] == "a.jsonl"] == [*range(4, 10)]
    assert [row["row"] for row in rejected if row["file"] == "below/c.parquet"] == [8]
    assert "U+0007" in rejected[5]["reason"]
    version, profile = read_batch(str(target))
    assert version == "3"
    assert {name: len(values) for name, values in profile.measures.items()} == dict.fromkeys(MEASURES, 21)
    # All of such small chunks.
    assert len(profile.contents.pieces) == len(profile.contents.embeddings) == 21


# Each with whether it is summarized.
CSV_ROWS = [
    (b'1,"%s"', True),
    (b"2,too,many", False),
    (b"too few", False),
    (b'3,"an open quote', False),
    (b"4,%s", True),
    (b'5,"a "stray" quote"', False),
    (b'6,"%s\nin two lines"', True),
    (b"7,latin \xe4", False),
    (b'8,"in two lines\nwith latin \xe4"', False),
    (b'9,"%s"', True),
    (b'10,"open to the end', False),
    (b"11,%s", True),
]


def test_each_row_of_a_table_that_cannot_be_read_goes_aside_in_its_place(tmp_path, summarizer):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    text = GOOD[0].encode()
    lines = [line.replace(b"%s", text) for line, _ in CSV_ROWS]
    (source / "a.csv").write_bytes(b"id,text\n" + b"\n".join(lines) + b"\n")
    (source / "b.tsv").write_bytes(b"id\ttext\n1\t" + text + b"\n2\ta\tb\n3\t" + text + b"\n")
    (source / "c.jsonl").write_bytes(b'{"text": "%s"}\n{"text": "\xe4"}\n{"text": "%s"}\n' % (text, text))
    broken = pa.array([text, b"\xff", text], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken}), source / "d.parquet")
    (source / "e.csv").write_text("id,text\n")
    work = summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
    rows = rows_of(target, "a.csv")
    assert [row["rejected"] is None for row in rows] == [is_good for _, is_good in CSV_ROWS]
    assert [row["summary"] is not None for row in rows] == [is_good for _, is_good in CSV_ROWS]
    # The line on which each begins.
    assert [row["row"] for row in rows] == [2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15]
    for name in ("b.tsv", "c.jsonl", "d.parquet"):
        assert [row["summary"] is not None for row in rows_of(target, name)] == [True, False, True], name
    reasons = [json.loads(line)["reason"] for line in (target / "rejected.jsonl").read_text().splitlines()]
    assert len(reasons) == work.num_rejected == 7 + 3
    told = ["3 fields where", "1 fields where", "quote", "quote", "UTF-8", "on line 12: not UTF-8", "end of data"]
    assert all(words in reason for words, reason in zip([*told, "3 fields", "UTF-8", "UTF-8"], reasons, strict=True))
    assert not any(str(source) in reason for reason in reasons)
    assert summarize_folder(str(source), str(target), "text", "3", summarizer, 4).num_skipped == work.num_rows == 21


def test_a_line_too_long_for_memory_is_a_row_that_goes_aside(tmp_path, summarizer, monkeypatch):
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 1000)
    (tmp_path / "source").mkdir()
    lines = [json.dumps({"text": text}) for text in (GOOD[0], "word " * 900, GOOD[1])]
    (tmp_path / "source/a.jsonl").write_text("\n".join(lines) + "\n")
    summarize_folder(str(tmp_path / "source"), str(tmp_path / "target"), "text", "3", summarizer, 4)
    rows = rows_of(tmp_path / "target", "a.jsonl")
    assert [(row["row"], row["rejected"] is None) for row in rows] == [(1, True), (2, False), (3, True)]


def test_files_of_other_kinds_are_left_out_told_and_recorded(tmp_path, source, summarizer):
    target, warnings = tmp_path / "target", list[str]()
    for name in ("README.md", "below/paper.pdf", ".DS_Store"):
        (source / name).write_bytes(b"\x00 no table")
    work = summarize_folder(str(source), str(target), "text", "3", summarizer, 4, warn=warnings.append)
    assert work.num_rows == 13 + 7 + 8
    assert (
        work.left_out == json.loads((target / "batch.json").read_text())["left_out"] == ["README.md", "below/paper.pdf"]
    )
    (warning,) = warnings
    assert "README.md, below/paper.pdf" in warning
    (source / "README.md").unlink()
    assert summarize_folder(str(source), str(target), "text", "3", summarizer, 4).num_skipped == work.num_rows
    for name in ("a.jsonl", "b.csv", "below/c.parquet"):
        (source / name).unlink()
    with pytest.raises(UserError, match=r"no files to summarize \(\.jsonl.*only below/paper\.pdf"):
        summarize_folder(str(source), str(tmp_path / "new"), "text", "3", summarizer, 4)
    assert not (tmp_path / "new").exists()


def test_a_killed_batch_goes_on_after_its_last_chunk_and_ends_in_the_same(tmp_path, source, summarizer):
    def kill(num_rows: int) -> None:
        if num_rows >= 15:
            raise KeyboardInterrupt

    whole, target = tmp_path / "whole", tmp_path / "target"
    summarize_folder(str(source), str(whole), "text", "3", summarizer, 4)
    with pytest.raises(KeyboardInterrupt):
        summarize_folder(str(source), str(target), "text", "3", summarizer, 4, kill)
    work = summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
    assert work.num_skipped == 17
    assert {path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()} == {
        path.relative_to(whole): path.read_bytes() for path in whole.rglob("*") if path.is_file()
    }


def test_a_file_that_grew_shrank_or_changed_is_summarized_as_it_is_now(tmp_path, summarizer):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for documents, num_skipped in ((GOOD[:6], 0), (GOOD, 4), ([GOOD[1], *GOOD[1:]], 3), (GOOD[:2], 0)):
        (source / "a.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in documents))
        work = summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
        assert work.num_skipped == num_skipped
        alone = [summary.text for summary in summarizer.summarize(documents, summarizer.search)]
        assert [row["summary"] for row in rows_of(target, "a.csv")] == alone


def test_a_killed_batch_in_a_store_goes_on_and_ends_in_what_folders_give(tmp_path, source, summarizer, store):
    def kill(num_rows: int) -> None:
        if num_rows >= 15:
            raise KeyboardInterrupt

    whole, target = tmp_path / "whole", f"s3://{BUCKET}/out/of it"
    summarize_folder(str(source), str(whole), "text", "3", summarizer, 4)
    store.put(str(source), f"{BUCKET}/in", recursive=True)
    with pytest.raises(KeyboardInterrupt):
        summarize_folder(f"s3://{BUCKET}/in", target, "text", "3", summarizer, 4, kill)
    work = summarize_folder(f"s3://{BUCKET}/in/", f"{target}/", "text", "3", summarizer, 4)
    assert (work.num_rows, work.num_rejected, work.num_skipped) == (13 + 7 + 8, 7, 17)
    prefix = target.removeprefix("s3://") + "/"
    assert {key.removeprefix(prefix): store.cat_file(key) for key in store.find(prefix)} == {
        path.relative_to(whole).as_posix(): path.read_bytes() for path in whole.rglob("*") if path.is_file()
    }
    measures = [read_batch(address)[1].measures["document_words"].tolist() for address in (target, str(whole))]
    assert measures[0] == measures[1]
    store.rm_file(f"{BUCKET}/in/a.jsonl")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": GOOD[0]}) + "\n")
    store.put_file(str(tmp_path / "a.jsonl"), f"{BUCKET}/in/a.jsonl")
    assert summarize_folder(f"s3://{BUCKET}/in", target, "text", "3", summarizer, 4).num_skipped == 15
    assert list(store.find(f"{prefix}a.jsonl")) == [f"{prefix}a.jsonl/000000000.parquet"]


def test_a_large_chunk_keeps_the_contents_of_some_documents(tmp_path, summarizer):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.csv").write_text("text\n" + f'"{GOOD[0]}"\n' * (CONTENTS_A_CHUNK + 5))
    summarize_folder(str(tmp_path / "source"), str(tmp_path / "target"), "text", "3", summarizer, 500)
    _, profile = read_batch(str(tmp_path / "target"))
    assert len(profile.measures["document_words"]) == CONTENTS_A_CHUNK + 5
    assert len(profile.contents.pieces) == CONTENTS_A_CHUNK


@pytest.mark.parametrize("address", ["s3://", "s3://no-such-bucket/in"])
def test_a_bucket_that_is_not_there_is_named(tmp_path, source, summarizer, store, address):
    with pytest.raises(UserError, match="s3://"):
        summarize_folder(address, str(tmp_path / "target"), "text", "3", summarizer, 4)
    with pytest.raises(UserError, match="s3://"):
        summarize_folder(str(source), address, "text", "3", summarizer, 4)


def test_a_file_in_a_store_that_cannot_be_read_is_named_by_its_address(tmp_path, summarizer, store):
    store.pipe_file(f"{BUCKET}/broken/below/a.parquet", b"PAR1 no table")
    with pytest.raises(UserError, match=rf"\ns3://{BUCKET}/broken/below/a\.parquet: not a whole Parquet file"):
        summarize_folder(f"s3://{BUCKET}/broken", str(tmp_path / "target"), "text", "3", summarizer, 4)


def test_chunks_of_a_file_that_is_gone_go_too_and_other_files_stay(tmp_path, source, summarizer):
    target = tmp_path / "target"
    summarize_folder(str(source), str(target), "text", "1", summarizer, 4)
    (target / "b.csv" / "note.txt").write_text("mine")
    (source / "b.csv").unlink()
    summarize_folder(str(source), str(target), "text", "1", summarizer, 4)
    assert rows_of(target, "b.csv") == []
    assert (target / "b.csv" / "note.txt").exists()
    assert len(rows_of(target, "below/c.parquet")) == len(GOOD) + 1


@pytest.mark.parametrize("below", ["", "out"])
def test_a_target_that_the_next_batch_would_read_is_refused(source, summarizer, below):
    with pytest.raises(UserError, match="Name another folder"):
        summarize_folder(str(source), str(source / below), "text", "1", summarizer, 4)
    assert not (source / "batch.json").exists()


def test_chunks_of_another_model_are_not_mixed_in(tmp_path, source, summarizer):
    summarize_folder(str(source), str(tmp_path / "target"), "text", "3", summarizer, 4)
    with pytest.raises(UserError, match="made otherwise"):
        summarize_folder(str(source), str(tmp_path / "target"), "text", "4", summarizer, 4)


def test_a_damaged_table_is_named_at_the_end_and_keeps_no_other_waiting(tmp_path, source, summarizer):
    target = tmp_path / "target"
    whole = (source / "below/c.parquet").read_bytes()
    summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
    (source / "a.jsonl").write_text(json.dumps({"text": "A new document."}) + "\n")
    (source / "below/c.parquet").write_bytes(whole[:-20])
    (source / "0.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"^2 of 4 files.*\n.*0\.parquet: .*\n.*c\.parquet: "):
        summarize_folder(str(source), str(target), "text", "3", summarizer, 4)
    assert len(rows_of(target, "a.jsonl")) == 1
    # What an earlier batch made of the file when it was whole is kept.
    assert len(rows_of(target, "below/c.parquet")) == len(GOOD) + 1
    (source / "below/c.parquet").write_bytes(whole)
    (source / "0.parquet").unlink()
    assert summarize_folder(str(source), str(target), "text", "3", summarizer, 4).num_skipped == 1 + 7 + 8


@pytest.mark.parametrize("name", ["a.jsonl", "b.csv", "below/c.parquet"])
def test_a_wrong_column_is_named_beside_those_that_there_are(tmp_path, source, summarizer, name):
    for other in {"a.jsonl", "b.csv", "below/c.parquet"} - {name}:
        (source / other).unlink()
    with pytest.raises(UserError, match=rf"^1 of 1 files.*\n.*{name}.*no .*'document'(.|\n)*'text'"):
        summarize_folder(str(source), str(tmp_path / "target"), "document", "3", summarizer, 4)


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_a_file_of_another_kind_in_the_record_s_place_is_told_and_left(tmp_path, source, summarizer, content):
    target = tmp_path / "target"
    target.mkdir()
    (target / "batch.json").write_text(content)
    for begin in (version_of, read_batch, lambda to: summarize_folder(str(source), to, "text", "3", summarizer, 4)):
        with pytest.raises(UserError, match=r"target: its batch\.json is no record of a batch"):
            begin(str(target))
    assert (target / "batch.json").read_text() == content
