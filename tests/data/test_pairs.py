from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.data import pairs as module
from seq2sum.data.pairs import Pair, count_pairs, has_split, pairs_schema, read_pair_batches, read_pairs, write_pairs
from seq2sum.errors import UserError

texts = st.text(st.characters(exclude_categories=["Cs"]))


def make_pairs(num_pairs: int) -> list[Pair]:
    return [Pair(str(i), f"g{i // 2}", f"document {i}", f"summary {i}") for i in range(num_pairs)]


@settings(deadline=None)  # the first call imports
@given(st.lists(st.builds(Pair, texts, texts, texts, texts)))
def test_reads_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> None:
    path = tmp_path_factory.mktemp("table") / "pairs.parquet"
    assert write_pairs(path, iter(pairs)) == len(pairs) == count_pairs(path)
    assert list(read_pairs(path)) == pairs
    assert not has_split(path)


def test_keeps_the_split_of_a_source_that_has_one(tmp_path: Path) -> None:
    pairs = [Pair("1", "g", "d", "s", "train"), Pair("2", "h", "e", "t", "test")]
    write_pairs(tmp_path / "pairs.parquet", pairs)
    assert list(read_pairs(tmp_path / "pairs.parquet")) == pairs
    assert has_split(tmp_path / "pairs.parquet")


def test_batches_cross_row_groups_in_order_and_hold_no_more_than_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROW_GROUP_PAIRS", 7)
    pairs = make_pairs(50)
    write_pairs(tmp_path / "pairs.parquet", pairs)
    batches = list(read_pair_batches(tmp_path / "pairs.parquet", 10))
    assert [pair for batch in batches for pair in batch] == pairs
    assert max(map(len, batches)) <= 10


def test_long_documents_close_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROW_GROUP_CHARACTERS", 100)
    write_pairs(tmp_path / "pairs.parquet", [Pair(str(i), "g", "x" * 60, "s") for i in range(10)])
    assert pq.ParquetFile(tmp_path / "pairs.parquet").metadata.num_row_groups == 5


def test_reads_no_further_ahead_than_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROW_GROUP_PAIRS", 5)
    alive: set[int] = set()
    most_alive = 0

    class Tracked(Pair):
        def __del__(self) -> None:
            alive.discard(int(self.id))

    def generate():  # type: ignore[no-untyped-def]
        nonlocal most_alive
        for i in range(100):
            alive.add(i)
            most_alive = max(most_alive, len(alive))
            yield Tracked(str(i), "g", "d", "s")

    write_pairs(tmp_path / "pairs.parquet", generate())
    assert most_alive <= 12  # one group being written, one being gathered


def test_the_same_pairs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pairs(tmp_path / name, make_pairs(100))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_source_that_fails_midway_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    def fail():  # type: ignore[no-untyped-def]
        yield from make_pairs(3)
        raise UserError("no more")

    write_pairs(tmp_path / "pairs.parquet", make_pairs(2))
    with pytest.raises(UserError, match="no more"):
        write_pairs(tmp_path / "pairs.parquet", fail())
    assert list(read_pairs(tmp_path / "pairs.parquet")) == make_pairs(2)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.parquet"]


def test_refuses_a_table_of_which_only_some_pairs_have_a_split(tmp_path: Path) -> None:
    for mixed in (
        [Pair("1", "g", "d", "s", "train"), *make_pairs(1)],
        [*make_pairs(1), Pair("1", "g", "d", "s", "val")],
    ):
        with pytest.raises(ValueError, match="some pairs have a split"):
            write_pairs(tmp_path / "pairs.parquet", mixed)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pairs\.parquet: not found"):
        list(read_pairs(tmp_path / "pairs.parquet"))


@pytest.mark.parametrize("content", [b"", b"id,document\n1,x\n", b"PAR1 and then nothing of the kind PAR1"])
def test_not_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pairs.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"pairs\.parquet: not a Parquet file"):
        list(read_pairs(tmp_path / "pairs.parquet"))


def test_truncated_table(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.parquet", make_pairs(1000))
    whole = (tmp_path / "pairs.parquet").read_bytes()
    (tmp_path / "pairs.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a Parquet file"):
        count_pairs(tmp_path / "pairs.parquet")


def test_damaged_page(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.parquet", make_pairs(1000))
    content = bytearray((tmp_path / "pairs.parquet").read_bytes())
    content[4:400] = bytes(396)
    (tmp_path / "pairs.parquet").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        list(read_pairs(tmp_path / "pairs.parquet"))


def test_another_table_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"article": ["x"], "length": [3]}), tmp_path / "pairs.parquet")
    with pytest.raises(UserError, match=r"found article \(string\), length \(int64\)"):
        list(read_pairs(tmp_path / "pairs.parquet"))


def test_a_table_that_may_hold_nulls_is_refused(tmp_path: Path) -> None:
    names = pairs_schema(with_split=False).names
    pq.write_table(pa.table({name: ["x", None] for name in names}), tmp_path / "pairs.parquet")
    with pytest.raises(UserError, match="without nulls"):
        list(read_pairs(tmp_path / "pairs.parquet"))


def test_an_unknown_split_names_the_pair(tmp_path: Path) -> None:
    row = {"id": ["a7"], "group": ["g"], "document": ["d"], "summary": ["s"], "split": ["dev"]}
    pq.write_table(pa.table(row, schema=pairs_schema(with_split=True)), tmp_path / "pairs.parquet")
    with pytest.raises(UserError, match="pair 'a7': unknown split 'dev'; it must be one of train, val, test"):
        list(read_pairs(tmp_path / "pairs.parquet"))
