import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.data.sources.files import FilePairs
from seq2sum.data.sources.located import locate
from seq2sum.data.sources.rows import column_names
from seq2sum.errors import UserError
from tests.data.local_files import PACKERS, ROWS, as_jsonl, read, source_of, texts, write_csv


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("suffix", PACKERS)
def test_json_lines(suffix: str) -> None:
    Path("a.jsonl" + suffix).write_bytes(PACKERS[suffix](as_jsonl(ROWS)))
    pairs = read("*.jsonl*")
    assert texts(pairs) == ROWS
    assert [pair.id for pair in pairs] == [f"a.jsonl{suffix}:{number}" for number in (1, 2, 3)]
    assert all(pair.group == pair.id and pair.split is None for pair in pairs)


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.TSV", "\t")])
def test_delimited_files_with_quotes_and_line_breaks(name: str, delimiter: str, suffix: str) -> None:
    data = write_csv(Path(name), ROWS, delimiter)
    Path(name).unlink()
    Path(name + suffix).write_bytes(PACKERS[suffix](data))
    pairs = read("a.*")
    assert texts(pairs) == ROWS
    assert [pair.id.rpartition(":")[2] for pair in pairs] == ["2", "4", "5"]  # the line on which each row begins


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_file_with_the_delimiter_of_another_locale(delimiter: str) -> None:
    table = [*ROWS, {"text": "a, b; c\td", "title": "1,5"}]
    data = write_csv(Path("a.csv"), table, delimiter)
    assert data.startswith(f"text{delimiter}title".encode())
    assert texts(read("a.csv")) == table
    assert column_names(Path("a.csv")) == ["text", "title"]
    with pytest.raises(UserError, match=r"no column 'body'\. There are: 'text', 'title'"):
        read("a.csv", document="body")


def test_parquet() -> None:
    columns = {"text": [row["text"] for row in ROWS] * 400, "title": [None] * 1200, "length": [1] * 1200}
    types = [pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.int64()]
    schema = pa.schema(list(zip(columns, types, strict=True)))
    pq.write_table(pa.table(columns, schema=schema), "a.parquet", row_group_size=500)
    pairs = read("*.parquet")
    assert [pair.document for pair in pairs] == columns["text"]
    assert {pair.summary for pair in pairs} == {""}
    assert (pairs[0].id, pairs[-1].id) == ("a.parquet:1", "a.parquet:1200")


cells = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"text": cells, "title": cells}), min_size=1))
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_any_text_is_read_as_it_was_written(name: str, table: list[dict[str, str]]) -> None:
    if name == "a.jsonl":
        Path(name).write_bytes(as_jsonl(table))
    else:
        write_csv(Path(name), table, "," if name == "a.csv" else "\t")
    assert texts(read(name)) == table


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_byte_order_mark_is_no_text(name: str) -> None:
    data = write_csv(Path(name), ROWS) if name == "a.csv" else as_jsonl(ROWS)
    Path(name).write_bytes(b"\xef\xbb\xbf" + data)
    assert texts(read(name)) == ROWS


def test_windows_line_ends_and_blank_lines() -> None:
    Path("a.jsonl").write_bytes(b'{"text": "x", "title": "y"}\r\n\r\n{"text": "z", "title": "w"}')
    assert [pair.id for pair in read("a.jsonl")] == ["a.jsonl:1", "a.jsonl:3"]
    Path("a.csv").write_bytes(b"text,title\r\nx,y\r\n\r\nz,w")
    assert [pair.id for pair in read("a.csv")] == ["a.csv:2", "a.csv:4"]


def test_large_fields() -> None:
    write_csv(Path("a.csv"), [{"text": "long " * 100_000, "title": "x"}])
    assert len(read("a.csv")[0].document) == 500_000


def test_nulls_and_fields_that_are_left_out_come_as_empty_text() -> None:
    Path("a.jsonl").write_text('{"text": null, "title": "y"}\n{"title": "z"}\n')
    assert texts(read("a.jsonl")) == [{"text": "", "title": "y"}, {"text": "", "title": "z"}]


def test_a_list_of_globs_for_each_split() -> None:
    Path("more").mkdir()
    for name in ("train1.jsonl", "more/train2.jsonl", "val.csv", "test.jsonl"):
        Path(name).write_bytes(as_jsonl(ROWS[:1]))
    write_csv(Path("val.csv"), ROWS[:1])
    paths = {"train": ["train*", "**/train*"], "val": ["val.csv"], "test": ["test.jsonl"]}
    assert [(pair.split, pair.id) for pair in read(paths)] == [
        ("train", "more/train2.jsonl:1"),
        ("train", "train1.jsonl:1"),
        ("val", "val.csv:2"),
        ("test", "test.jsonl:1"),
    ]


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    ids = []
    for folder in ("here", "over/there"):
        for name in ("one/a.jsonl", "two/a.jsonl"):
            (tmp_path / folder / name).parent.mkdir(parents=True)
            (tmp_path / folder / name).write_bytes(as_jsonl(ROWS[:1]))
        ids += [[pair.id for pair in read(str(tmp_path / folder / "*/*.jsonl"))]]
        ids += [[pair.id for pair in read(f"{folder}/*/*.jsonl")]]
    assert ids == [["one/a.jsonl:1", "two/a.jsonl:1"]] * 4


def test_ids_and_groups_from_columns() -> None:
    table = [
        {"text": "t", "title": "s", "key": key, "thread": thread} for key, thread in ((7, "x"), ("b", 3), (None, None))
    ]
    Path("a.jsonl").write_bytes(as_jsonl(table))
    pairs = read("a.jsonl", id="key", group="thread")
    assert [(pair.id, pair.group) for pair in pairs] == [("7", "x"), ("b", "3"), ("a.jsonl:3", "a.jsonl:3")]


def test_an_id_that_occurs_twice_names_both_places() -> None:
    for name, key in (("a.jsonl", "x"), ("b.jsonl", "y"), ("c.jsonl", "x")):
        Path(name).write_bytes(as_jsonl([{"text": "t", "title": "s", "key": key}]))
    with pytest.raises(UserError, match=r"c\.jsonl:1: 'key' is 'x', as in a\.jsonl:1\. .*source\.id to null"):
        read("*.jsonl", id="key")


def test_the_same_rows_come_again() -> None:
    Path("a.jsonl").write_bytes(as_jsonl([row | {"key": row["title"]} for row in ROWS]))
    source = FilePairs(source_of("a.jsonl", id="key"))
    assert list(source.pairs(None)) == list(source.pairs(None))


def test_rows_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.jsonl").write_bytes(as_jsonl(ROWS) + b"not JSON\n")
    pairs = FilePairs(source_of("a.jsonl")).pairs(None)
    assert [next(pairs).document for _ in ROWS] == [row["text"] for row in ROWS]
    with pytest.raises(UserError):
        next(pairs)


def test_the_card_holds_the_hash_of_each_file() -> None:
    Path("a.jsonl").write_bytes(b"")
    [fetched] = FilePairs(source_of("a.jsonl")).card.fetched
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (fetched.name, fetched.num_bytes, fetched.sha256) == ("a.jsonl", 0, empty)


def test_locating_tells_changed_added_and_renamed_files_apart() -> None:
    source = source_of("*.jsonl")
    Path("a.jsonl").write_bytes(b"one")
    seen = [locate(source)]
    assert locate(source) == seen[0]
    Path("a.jsonl").write_bytes(b"two")
    seen.append(locate(source))
    Path("b.jsonl").write_bytes(b"two")
    seen.append(locate(source))
    Path("a.jsonl").unlink()
    seen.append(locate(source))
    assert len({json.dumps(state) for state in seen}) == 4
