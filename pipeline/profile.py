"""The numbers of documents and their summaries that drift is told by, as columns of a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.paths import PROFILE_PIECES
from seq2sum.contents import read_contents
from seq2sum.drift import MEASURES, NO_CONTENTS, Contents, Profile, measure_pairs
from seq2sum.summarize import Summarizer

PIECES, EMBEDDING = PROFILE_PIECES, "embedding"
FIELDS = [
    *((name, pa.float64()) for name in MEASURES), (PIECES, pa.list_(pa.int32())), (EMBEDDING, pa.list_(pa.float32())),
]  # fmt: skip


def profile_columns(
    documents: Sequence[str], summaries: Sequence[str], summarizer: Summarizer, sampled: Sequence[int]
) -> dict[str, list[Any]]:
    """Each of FIELDS, with contents for the documents ``sampled`` alone: they take more space and time."""
    measures = measure_pairs(documents, summaries, summarizer.tokenizer)
    columns: dict[str, list[Any]] = {name: values.tolist() for name, values in measures.items()}
    contents = read_contents([documents[index] for index in sampled], summarizer)
    columns |= {name: [None] * len(documents) for name in (PIECES, EMBEDDING)}
    for index, pieces, embedding in zip(sampled, contents.pieces, contents.embeddings, strict=True):
        columns[PIECES][index], columns[EMBEDDING][index] = pieces, embedding.astype(np.float32)
    return columns


def read_columns(table: pa.Table) -> Profile:
    """The profile in such a table. One from before there were contents has none."""
    measures = {name: table[name].to_numpy() for name in MEASURES}
    if PIECES not in table.column_names:
        return Profile(measures, NO_CONTENTS)
    with_contents = table.filter(pa.compute.is_valid(table[PIECES]))
    pieces = [np.array(row, dtype=np.int64) for row in with_contents[PIECES].to_pylist()]
    return Profile(measures, Contents(pieces, np.array(with_contents[EMBEDDING].to_pylist(), dtype=np.float64)))
