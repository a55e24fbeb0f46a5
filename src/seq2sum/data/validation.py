"""Which pairs are fit to learn from, and why the others are not.

Pairs that the source itself puts into val or test are rejected only if nothing can be done with them (``empty``,
``not_text``), so that scores on a published test set stay comparable; they are no duplicates of train pairs here,
because the split stage removes such train pairs instead. All other pairs go through every check.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.data.characters import control_character
from seq2sum.data.duplicates import DuplicateIndex, Kind
from seq2sum.data.overlap import words
from seq2sum.data.pairs import SPLITS, Pair, pairs_schema
from seq2sum.data_config import ValidateParams
from seq2sum.files import replaced_file

Unfit = Literal[
    "empty",
    "not_text",
    "control_character",
    "document_too_short",
    "document_too_long",
    "summary_too_short",
    "summary_too_long",
    "summary_not_shorter",
]
Reason = Unfit | Kind
REASONS: tuple[Reason, ...] = (*get_args(Unfit), *get_args(Kind))

_DIGITS = re.compile(r"\d")
_QUARANTINE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a pair is rejected: the check that it failed and, for people, what was found."""

    reason: Reason
    detail: str


@dataclass
class Verdicts:
    """A rejection, or None for accepted, for each pair in order, and how many of each there are in each split.

    ``counts`` has ``accepted`` and each reason under the split's name, or under ``all`` without a predefined split.
    """

    rejections: list[Rejection | None] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, split: str | None, rejection: Rejection | None) -> None:
        """Notes the verdict on the next pair."""
        self.rejections.append(rejection)
        self.counts.setdefault(split or "all", Counter())[rejection.reason if rejection else "accepted"] += 1

    @property
    def num_accepted(self) -> int:
        """Accepted pairs of all splits."""
        return sum(count["accepted"] for count in self.counts.values())

    @property
    def reject_share(self) -> float:
        """Rejected pairs over all pairs; 0 if there are none."""
        return 1 - self.num_accepted / len(self.rejections) if self.rejections else 0.0

    def as_table(self) -> str:
        """The counts as lines of text: what happened by split. Reasons that did not occur are left out."""
        splits = [split for split in ("all", *SPLITS) if split in self.counts]
        rows = [("", *splits)]
        for outcome in ("accepted", *REASONS):
            cells = [self.counts[split][outcome] for split in splits]
            if any(cells):
                rows.append((outcome, *(f"{cell:,}" for cell in cells)))
        return "\n".join(f"  {name:<20}" + "".join(f"{cell:>12}" for cell in cells) for name, *cells in rows)


def judge_pairs(pairs: Iterable[Pair], params: ValidateParams) -> Verdicts:
    """Judges the pairs in order. Of documents that repeat each other the first is kept."""
    verdicts = Verdicts()
    index = DuplicateIndex(params.near_duplicate_similarity, params.shingle_words, params.num_permutations, params.seed)
    with index:
        for pair in pairs:
            document_words = words(pair.document)
            rejection = unfitness(pair, document_words, words(pair.summary), params)
            if rejection is None and pair.split not in ("val", "test"):
                document = index.fingerprint(pair.document, document_words)
                match = index.find(document)
                if match:
                    rejection = Rejection(match.kind, f"repeats the document of {match.name}")
                else:
                    index.add(document, pair.id)
            verdicts.add(pair.split, rejection)
    return verdicts


def unfitness(
    pair: Pair, document_words: Sequence[str], summary_words: Sequence[str], params: ValidateParams
) -> Rejection | None:
    """Why a pair, with the words of its two texts, is unfit by itself, or None if it is fit."""
    for name, its_words in (("document", document_words), ("summary", summary_words)):
        if not its_words:
            return Rejection("empty", f"the {name} has neither letter nor digit")
    share = _letter_share(pair.document, document_words)
    if share < params.min_letter_share:
        return Rejection("not_text", f"letters are {share:.2f} of the document's visible characters")
    if pair.split in ("val", "test"):
        return None
    for name, text in (("document", pair.document), ("summary", pair.summary)):
        if found := control_character(text):
            return Rejection("control_character", f"the {name} holds {found}")
    num_document, num_summary = len(document_words), len(summary_words)
    checks: list[tuple[bool, Reason, str]] = [
        (num_document < params.min_document_words, "document_too_short", f"{num_document} words"),
        (num_document > params.max_document_words, "document_too_long", f"{num_document} words"),
        (num_summary < params.min_summary_words, "summary_too_short", f"{num_summary} words"),
        (num_summary > params.max_summary_words, "summary_too_long", f"{num_summary} words"),
        (
            num_summary > params.max_summary_ratio * num_document,
            "summary_not_shorter",
            f"{num_summary} words for {num_document} of the document",
        ),
    ]
    return next((Rejection(reason, detail) for failed, reason, detail in checks if failed), None)


def _letter_share(document: str, document_words: Sequence[str]) -> float:
    """Share of letters (with their combining marks) among the characters that are not white space."""
    num_letters = len(_DIGITS.sub("", "".join(document_words)))
    return num_letters / sum(map(len, document.split()))


def write_quarantine(path: Path, rejected: Iterable[tuple[Pair, Rejection]], *, with_split: bool) -> None:
    """Writes rejected pairs, atomically, as a table of pairs with the columns ``reason`` and ``detail``."""
    schema = pairs_schema(with_split=with_split)
    columns = schema.names
    for name in ("reason", "detail"):
        schema = schema.append(pa.field(name, pa.string(), nullable=False))
    rows = (
        {name: getattr(pair, name) for name in columns} | {"reason": why.reason, "detail": why.detail}
        for pair, why in rejected
    )
    with replaced_file(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(rows, _QUARANTINE_BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
