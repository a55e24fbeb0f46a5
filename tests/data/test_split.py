import itertools
import random
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.data.pairs import Pair, Split
from seq2sum.data.split import Division, divide_pairs, group_hash
from seq2sum.data_config import SplitParams
from seq2sum.errors import UserError

PARAMS = SplitParams(
    val_share=0.2,
    test_share=0.3,
    salt="salt",
    near_duplicate_similarity=0.8,
    shingle_words=2,
    num_permutations=64,
    seed=1,
)


def text(number: int) -> str:
    return " ".join(f"w{random.Random(number * 100 + position).randrange(10**6)}" for position in range(30))


def make_pair(number: int, group: int | None = None, split: Split | None = None) -> Pair:
    return Pair(f"id{number}", f"group{number if group is None else group}", text(number), "a summary", split)


PAIRS = [make_pair(number, group=number // 2) for number in range(200)]


def divide(pairs: list[Pair], params: SplitParams = PARAMS) -> Division:
    return divide_pairs(lambda: iter(pairs), params)


def by_id(pairs: list[Pair], division: Division) -> dict[str, str]:
    return dict(zip((pair.id for pair in pairs), division.outcomes, strict=True))


WHOLE = by_id(PAIRS, divide(PAIRS))


def test_no_group_crosses_splits_and_shares_are_about_as_asked() -> None:
    division = divide(PAIRS)
    splits_of_group = defaultdict(set)
    for pair, split in zip(PAIRS, division.outcomes, strict=True):
        splits_of_group[pair.group].add(split)
    assert all(len(splits) == 1 for splits in splits_of_group.values())
    assert division.outcomes.count("val") / len(PAIRS) == pytest.approx(0.2, abs=0.1)
    assert division.outcomes.count("test") / len(PAIRS) == pytest.approx(0.3, abs=0.1)
    assert division.report == {
        "num_pairs": {split: division.outcomes.count(split) for split in ("train", "val", "test")},
        "taken_by": {"val": "hash of group", "test": "hash of group"},
        "removed": {"same_group": 0, "exact_duplicate": 0, "near_duplicate": 0},
        "val_pairs_that_repeat_test": 0,
    }


@settings(max_examples=15)
@given(st.permutations(PAIRS[:80]), st.integers(60, 80))
def test_a_pairs_split_depends_on_its_group_alone(shuffled: list[Pair], num_pairs: int) -> None:
    part = by_id(shuffled[:num_pairs], divide(shuffled[:num_pairs]))
    assert part == {name: WHOLE[name] for name in part}


def test_another_salt_divides_otherwise() -> None:
    assert divide(PAIRS).outcomes != divide(PAIRS, PARAMS.model_copy(update={"salt": "pepper"})).outcomes


def test_changing_one_share_moves_no_pair_of_the_other_split() -> None:
    before, after = divide(PAIRS), divide(PAIRS, PARAMS.model_copy(update={"test_share": 0.5}))
    moves = {(old, new) for old, new in zip(before.outcomes, after.outcomes, strict=True) if old != new}
    assert moves == {("train", "test")}


def test_the_group_hash_is_uniform_and_keeps_salt_and_group_apart() -> None:
    shares = [group_hash("salt", f"group{number}") for number in range(4000)]
    assert all(0 <= share < 1 for share in shares)
    for low in (0.0, 0.25, 0.5, 0.75):
        assert sum(low <= share < low + 0.25 for share in shares) == pytest.approx(1000, abs=120)
    assert group_hash("ab", "c") != group_hash("a", "bc")


def test_the_sources_own_split_is_kept() -> None:
    names: list[Split] = ["train", "train", "val", "test"]
    pairs = [make_pair(number, split=names[number % 4]) for number in range(40)]
    division = divide(pairs)
    assert division.outcomes == [pair.split for pair in pairs]
    assert division.report["taken_by"] == {"val": "source", "test": "source"}


@pytest.mark.parametrize(("own", "missing", "share"), [("test", "val", 0.2), ("val", "test", 0.3)])
def test_a_missing_split_is_taken_from_train_by_the_same_hash(own: Split, missing: Split, share: float) -> None:
    pairs = [make_pair(number, split=own if number % 4 == 0 else "train") for number in range(200)]
    division = divide(pairs)
    unsplit = by_id(pairs, divide([replace(pair, split=None) for pair in pairs]))
    for pair, split in zip(pairs, division.outcomes, strict=True):
        expected = missing if unsplit[pair.id] == missing else "train"
        assert split == (own if pair.split == own else expected)
    assert division.outcomes.count(missing) == pytest.approx(150 * share, abs=20)
    assert division.report["taken_by"] == {own: "source", missing: "hash of group"}


def test_train_loses_what_repeats_val_or_test() -> None:
    near = text(1) + " more"
    pairs = [
        make_pair(1, split="val"),
        make_pair(2, split="test"),
        make_pair(3, split="train"),
        replace(make_pair(4, split="train"), document=text(2)),
        replace(make_pair(5, split="train"), document=near),
        make_pair(6, group=2, split="train"),
        replace(make_pair(7, split="val"), document=text(2)),
        replace(make_pair(8, split="train"), document=text(3)),
    ]
    division = divide(pairs)
    assert division.outcomes == [
        "val", "test", "train", "exact_duplicate", "near_duplicate", "same_group", "val", "train",
    ]  # fmt: skip
    assert division.report["num_pairs"] == {"train": 2, "val": 2, "test": 1}
    assert division.report["removed"] == {"same_group": 1, "exact_duplicate": 1, "near_duplicate": 1}
    assert division.report["val_pairs_that_repeat_test"] == 1


def test_a_val_taken_from_train_gives_nothing_of_the_sources_test_away() -> None:
    pairs = [make_pair(number, split="train") for number in range(60)]
    tests = [
        replace(make_pair(100 + number, split="test"), document=text(number) if number % 2 else text(500 + number))
        for number in range(60)
    ]
    tests = [replace(pair, group=pairs[number].group) if number % 3 == 0 else pair for number, pair in enumerate(tests)]
    division = divide(pairs + tests)
    kept = [pair for pair, split in zip(pairs, division.outcomes, strict=False) if split in ("train", "val")]
    assert division.outcomes[60:] == ["test"] * 60
    assert "val" in division.outcomes
    assert not {pair.group for pair in kept} & {pair.group for pair in tests}
    assert not {pair.document for pair in kept} & {pair.document for pair in tests}


def test_no_document_of_train_is_in_val_or_test_after_a_split_by_hash() -> None:
    pairs = [replace(make_pair(number), document=text(number % 50)) for number in range(200)]
    division = divide(pairs)
    documents = defaultdict(set)
    for pair, split in zip(pairs, division.outcomes, strict=True):
        documents[split].add(pair.document)
    assert documents["train"]
    assert not documents["train"] & (documents["val"] | documents["test"])
    assert division.outcomes.count("exact_duplicate") > 20


@pytest.mark.parametrize(
    ("pairs", "changes", "message"),
    [
        ([], {}, r"train would be empty: of 0 pairs"),
        (PAIRS[:60], {"val_share": 0.0}, r"val would be empty: of 60 pairs.*split\.val_share"),
        (PAIRS[:60], {"test_share": 0.0}, r"test would be empty"),
        ([make_pair(1), make_pair(2)], {"val_share": 0.5, "test_share": 0.49}, r"would be empty: of 2 pairs"),
        ([make_pair(number, split="test") for number in range(3)], {}, r"train would be empty"),
    ],
)
def test_an_empty_split_is_an_error_with_its_mend(pairs: list[Pair], changes: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        divide(pairs, PARAMS.model_copy(update=changes))


def test_a_train_split_that_only_repeats_test_is_an_error() -> None:
    splits: list[Split] = ["train", "val", "test"]
    pairs = [replace(make_pair(number, split=split), document=text(1)) for number, split in enumerate(splits)]
    with pytest.raises(UserError, match="train would be empty: all its pairs repeat val or test"):
        divide(pairs)


def test_pairs_are_read_anew_not_held() -> None:
    reads = itertools.count()

    def read() -> list[Pair]:
        next(reads)
        return PAIRS

    divide_pairs(read, PARAMS)
    assert next(reads) >= 2
