"""The table that the data stages hand to each other: one Parquet row per pair of a document and its summary."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.errors import UserError
from seq2sum.files import replaced_file

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

# A row group is closed at whichever comes first, so that long documents bound the memory as well as many short ones.
_ROW_GROUP_PAIRS = 2_000
_ROW_GROUP_CHARACTERS = 16_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A document and its summary.

    ``id`` is unique in its table. Pairs of one ``group`` are never torn apart by a split. ``split`` is None where
    the source has no split of its own.
    """

    id: str
    group: str
    document: str
    summary: str
    split: Split | None = None


def pairs_schema(*, with_split: bool) -> pa.Schema:
    """The table's columns: ``id, group, document, summary`` and, with a split, ``split``; text, never null."""
    names = ["id", "group", "document", "summary", *(["split"] if with_split else [])]
    return pa.schema([pa.field(name, pa.string(), nullable=False) for name in names])


def write_pairs(path: Path, pairs: Iterable[Pair]) -> int:
    """Writes the pairs, atomically and holding one row group at a time; returns how many there were.

    The table has a ``split`` column if the first pair has a split. The same pairs give the same bytes.
    Raises ValueError if some pairs have a split and others none.
    """
    remaining = iter(pairs)
    first = next(remaining, None)
    schema = pairs_schema(with_split=first is not None and first.split is not None)
    num_pairs = 0
    with replaced_file(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        for group in _row_groups(itertools.chain([] if first is None else [first], remaining)):
            if any((pair.split is None) == ("split" in schema.names) for pair in group):
                raise ValueError("some pairs have a split and others none")
            columns = {name: [getattr(pair, name) for pair in group] for name in schema.names}
            writer.write_table(pa.table(columns, schema=schema))
            num_pairs += len(group)
    return num_pairs


def read_pairs(path: Path) -> Iterator[Pair]:
    """Yields the pairs in the order written. Raises UserError like :func:`read_pair_batches`."""
    for batch in read_pair_batches(path, _ROW_GROUP_PAIRS):
        yield from batch


def read_pair_batches(path: Path, batch_size: int) -> Iterator[list[Pair]]:
    """Yields lists of up to ``batch_size`` pairs, in the order written and without holding the table.

    Raises UserError if the file is missing, damaged or another kind of table.
    """
    with _open_table(path) as table:
        try:
            for batch in table.iter_batches(batch_size):
                yield [_as_pair(path, row) for row in batch.to_pylist()]
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: damaged: {error}. Remove it and run the stage that writes it again.") from error


def count_pairs(path: Path) -> int:
    """Number of pairs in a table, from its footer alone. Raises UserError like :func:`read_pair_batches`."""
    with _open_table(path) as table:
        return int(table.metadata.num_rows)


def has_split(path: Path) -> bool:
    """Whether the table's pairs came with a split. Raises UserError like :func:`read_pair_batches`."""
    with _open_table(path) as table:
        return "split" in table.schema_arrow.names


def _row_groups(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    group: list[Pair] = []
    num_characters = 0
    for pair in pairs:
        group.append(pair)
        num_characters += len(pair.document) + len(pair.summary)
        if len(group) == _ROW_GROUP_PAIRS or num_characters >= _ROW_GROUP_CHARACTERS:
            yield group
            group, num_characters = [], 0
    if group:
        yield group


def _open_table(path: Path) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(path, pre_buffer=False)
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run the stage that writes it.") from error
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a Parquet file: {error}. Run the stage that writes it again.") from error
    if not any(table.schema_arrow.equals(pairs_schema(with_split=with_split)) for with_split in (False, True)):
        found = ", ".join(f"{field.name} ({field.type})" for field in table.schema_arrow)
        table.close()
        raise UserError(
            f"{path}: not a table of pairs: expected the text columns id, group, document, summary and perhaps split, "
            f"without nulls; found {found}. To bring your own data, name it under ingest.source in params.yaml."
        )
    return table


def _as_pair(path: Path, row: dict[str, str]) -> Pair:
    split = row.get("split")
    if split is not None and split not in SPLITS:
        raise UserError(f"{path}: pair {row['id']!r}: unknown split {split!r}; it must be one of {', '.join(SPLITS)}.")
    return Pair(row["id"], row["group"], row["document"], row["summary"], split)
