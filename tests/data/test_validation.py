import random
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seq2sum.data.pairs import Pair
from seq2sum.data.validation import REASONS, Verdicts, judge_pairs, write_quarantine
from seq2sum.data_config import ValidateParams

PARAMS = ValidateParams(
    min_document_words=4,
    max_document_words=100,
    min_summary_words=2,
    max_summary_words=6,
    max_summary_ratio=0.5,
    min_letter_share=0.5,
    near_duplicate_similarity=0.9,
    shingle_words=3,
    num_permutations=64,
    max_reject_share=0.5,
    seed=1,
)
GOOD = Pair("1", "1", "a quiet town by the wide sea", "quiet town")
RNG = random.Random(1)
LONG = " ".join(f"word{RNG.randrange(1000)}" for _ in range(80))


def reasons(verdicts: Verdicts) -> list[str | None]:
    return [rejection.reason if rejection else None for rejection in verdicts.rejections]


UNFIT = [
    ({"document": " \n"}, "empty", "document"),
    ({"document": "--- !!!"}, "empty", "document"),
    ({"summary": ""}, "empty", "summary"),
    ({"summary": "…"}, "empty", "summary"),
    ({"document": "12 34 56 ab 78 90 12 + 34 = 46"}, "not_text", "0.10"),
    (
        {"document": GOOD.document + "\x1b[0m"},
        "control_character",
        "the document holds the control character U+001B at 28",
    ),
    ({"summary": "quiet\x00 town"}, "control_character", "the summary holds the control character U+0000 at 5"),
    ({"document": "only three words"}, "document_too_short", "3 words"),
    ({"document": "word " * 101}, "document_too_long", "101 words"),
    ({"summary": "one"}, "summary_too_short", "1 words"),
    ({"document": "word " * 50, "summary": "one two three four five six seven"}, "summary_too_long", "7 words"),
    ({"document": "one two three four five", "summary": "one two three"}, "summary_not_shorter", "3 words for 5"),
]


@pytest.mark.parametrize(("change", "reason", "detail"), UNFIT)
def test_each_unfit_pair_is_rejected_with_its_reason(change: dict[str, str], reason: str, detail: str) -> None:
    verdict = judge_pairs([GOOD, replace(GOOD, id="2", **change)], PARAMS).rejections
    assert verdict[0] is None
    assert verdict[1] is not None
    assert (verdict[1].reason, detail in verdict[1].detail) == (reason, True)


@pytest.mark.parametrize(
    "change",
    [
        {"document": "just four words here"},
        {"document": "word " * 100},
        {"document": "word " * 50, "summary": "one two three four five six"},
        {"document": "one two three four", "summary": "one two"},
        {"document": "ab 12 cd 34", "summary": "ab cd"},
        {"document": "किताब की दुकान बंद है आज", "summary": "दुकान बंद"},
        {"document": "line one\r\n\tline two\x0b\x0cline three\u200b\u0085"},
        {"document": "Ärzte öffnen früh, 日本", "summary": "früh 日"},
    ],
)
def test_pairs_just_within_the_limits_are_accepted(change: dict[str, str]) -> None:
    assert judge_pairs([replace(GOOD, **change)], PARAMS).rejections == [None]


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_sources_own_val_and_test_lose_only_what_is_no_text(split: str) -> None:
    pairs = [replace(GOOD, split=split, **change) for change, *_ in UNFIT] + [replace(GOOD, split=split)] * 2
    expected = [reason if reason in ("empty", "not_text") else None for _, reason, _ in UNFIT]
    assert reasons(judge_pairs(pairs, PARAMS)) == [*expected, None, None]


def test_train_pairs_are_no_duplicates_of_the_sources_own_test() -> None:
    pairs = [replace(GOOD, split=split) for split in ("test", "train", "val", "train")]
    assert reasons(judge_pairs(pairs, PARAMS)) == [None, None, None, "exact_duplicate"]


def test_the_first_of_repeated_documents_is_kept_whatever_the_summaries() -> None:
    pairs = [
        Pair("first", "a", LONG, "one summary"),
        Pair("second", "b", LONG.replace(" ", "\n"), "another summary"),
        Pair("third", "c", LONG + " more", "a third summary"),
        Pair("fourth", "d", GOOD.document, "a fourth"),
    ]
    verdicts = judge_pairs(pairs, PARAMS)
    assert reasons(verdicts) == [None, "exact_duplicate", "near_duplicate", None]
    for rejection in verdicts.rejections[1:3]:
        assert rejection is not None
        assert rejection.detail.endswith("first")


def test_a_rejected_pair_does_not_hide_a_later_good_one() -> None:
    pairs = [replace(GOOD, summary=""), replace(GOOD, id="2")]
    assert reasons(judge_pairs(pairs, PARAMS)) == ["empty", None]


def test_a_looser_similarity_rejects_more() -> None:
    changed = " ".join(LONG.split()[:-8] + ["changed"] * 8)
    pairs = [Pair("1", "1", LONG, "one summary"), Pair("2", "2", changed, "another one")]
    assert reasons(judge_pairs(pairs, PARAMS)) == [None, None]
    looser = PARAMS.model_copy(update={"near_duplicate_similarity": 0.6})
    assert reasons(judge_pairs(pairs, looser)) == [None, "near_duplicate"]


def test_verdicts_count_by_split_and_print_what_occurred() -> None:
    pairs = [replace(GOOD, split="val", summary=""), replace(GOOD, split="train"), replace(GOOD, split="train")]
    verdicts = judge_pairs(pairs, PARAMS)
    assert verdicts.counts == {"train": {"accepted": 1, "exact_duplicate": 1}, "val": {"empty": 1}}
    assert verdicts.reject_share == pytest.approx(2 / 3)
    table = [line.split() for line in verdicts.as_table().splitlines()]
    assert table == [["train", "val"], ["accepted", "1", "0"], ["empty", "0", "1"], ["exact_duplicate", "1", "0"]]


def test_no_pairs_give_no_verdicts() -> None:
    verdicts = judge_pairs([], PARAMS)
    assert (verdicts.rejections, verdicts.reject_share, verdicts.num_accepted) == ([], 0.0, 0)


@pytest.mark.parametrize("split", [None, "train"])
def test_the_quarantine_holds_the_pairs_and_the_reasons(tmp_path: Path, split: str | None) -> None:
    pairs = [replace(GOOD, split=split, **change) for change, *_ in UNFIT] * 150
    judged = zip(pairs, judge_pairs(pairs, PARAMS).rejections, strict=True)
    rejected = [(pair, rejection) for pair, rejection in judged if rejection]
    path = tmp_path / "quarantine.parquet"
    write_quarantine(path, iter(rejected), with_split=split is not None)
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == len(pairs)
    assert {row["reason"] for row in rows} <= set(REASONS)
    assert [row["reason"] for row in rows] == [rejection.reason for _, rejection in rejected]
    assert [row["document"] for row in rows] == [pair.document for pair in pairs]
    assert ("split" in rows[0]) == (split is not None)


def test_an_empty_quarantine_still_has_its_columns(tmp_path: Path) -> None:
    write_quarantine(tmp_path / "q.parquet", [], with_split=True)
    assert pq.read_schema(tmp_path / "q.parquet").names == [
        "id", "group", "document", "summary", "split", "reason", "detail",
    ]  # fmt: skip
