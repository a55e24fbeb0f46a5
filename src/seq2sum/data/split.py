"""Dividing pairs into train, val and test, so that train gives nothing of val and test away.

The source's own val and test are kept whole. Which of the two it lacks is taken from its other pairs by a hash of their
group. Then what repeats val or test is removed from train: pairs of the same group (only a source's own split has
such), of the same document, and of a near duplicate. A val that was taken here loses what repeats test, too.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from seq2sum.data.duplicates import DuplicateIndex, Kind
from seq2sum.data.overlap import words
from seq2sum.data.pairs import SPLITS, Pair, Split
from seq2sum.data_config import SplitParams
from seq2sum.errors import UserError

Removal = Literal["same_group"] | Kind
REMOVALS: tuple[Removal, ...] = ("same_group", *get_args(Kind))
ReadPairs = Callable[[], Iterable[Pair]]


@dataclass(frozen=True)
class Division:
    """For each pair in order its split or why it is removed from train, and the numbers for a report."""

    outcomes: list[Split | Removal]
    report: dict[str, Any]


def group_hash(salt: str, group: str) -> float:
    """A number in [0, 1), uniform over groups: the first 64 bits of the SHA-256 of salt and group."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def divide_pairs(read: ReadPairs, params: SplitParams) -> Division:
    """Divides the pairs, which each call of ``read`` yields in the same order.

    Raises UserError if a split would be empty.
    """
    own = {pair.split for pair in read()} & {"val", "test"}
    outcomes: list[Split | Removal] = [_split_of(pair, own, params) for pair in read()]
    num_assigned = Counter(outcomes)
    for split in SPLITS:
        if not num_assigned[split]:
            raise UserError(
                f"{split} would be empty: of {len(outcomes):,} pairs, train gets {num_assigned['train']:,}, val "
                f"{num_assigned['val']:,} and test {num_assigned['test']:,}. Change split.val_share, split.test_share "
                "or split.salt in params.yaml, or bring more pairs."
            )
    num_alike = _remove_leaks(read, outcomes, "val" in own, params)
    counts = Counter(outcomes)
    removed = {removal: counts[removal] for removal in REMOVALS}
    if not counts["train"]:
        raise UserError(
            f"train would be empty: all its pairs repeat val or test ({removed}). Raise "
            "split.near_duplicate_similarity in params.yaml, or bring more pairs."
        )
    report = {
        "num_pairs": {split: counts[split] for split in SPLITS},
        "taken_by": {split: "source" if split in own else "hash of group" for split in ("val", "test")},
        "removed": removed,
        "val_pairs_that_repeat_test": num_alike,
    }
    return Division(outcomes, report)


def _split_of(pair: Pair, own: set[Split | None], params: SplitParams) -> Split:
    if pair.split in ("val", "test"):
        return pair.split
    share = group_hash(params.salt, pair.group)
    # From opposite ends, so that changing one share moves no pair of the other split.
    if "test" not in own and share < params.test_share:
        return "test"
    if "val" not in own and share >= 1 - params.val_share:
        return "val"
    return "train"


def _remove_leaks(read: ReadPairs, outcomes: list[Split | Removal], keep_val: bool, params: SplitParams) -> int:
    """Puts the reason in place of the split for pairs that repeat val or test; returns how many of val repeat test.

    With ``keep_val`` val stays whole.
    """
    num_alike = 0
    with _index(params) as val, _index(params) as test:
        groups: dict[str, set[str]] = {"val": set(), "test": set()}
        for pair, outcome in zip(read(), outcomes, strict=True):
            if outcome in ("val", "test"):
                groups[outcome].add(pair.group)
                index = val if outcome == "val" else test
                index.add(index.fingerprint(pair.document, words(pair.document)), pair.id)
        for position, (pair, outcome) in enumerate(zip(read(), list(outcomes), strict=True)):
            if outcome == "test":
                continue
            is_movable = outcome == "train" or not keep_val
            if is_movable and (pair.group in groups["test"] or (outcome == "train" and pair.group in groups["val"])):
                outcomes[position] = "same_group"
                continue
            document = test.fingerprint(pair.document, words(pair.document))
            match = test.find(document)
            if outcome == "val":
                num_alike += match is not None
            else:
                match = match or val.find(document)
            if match and is_movable:
                outcomes[position] = match.kind
    return num_alike


def _index(params: SplitParams) -> DuplicateIndex:
    return DuplicateIndex(params.near_duplicate_similarity, params.shingle_words, params.num_permutations, params.seed)
