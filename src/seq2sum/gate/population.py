"""The simulation's population: what two models and some degenerate systems scored on one test set, as a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.config import RougeParams
from seq2sum.errors import UserError
from seq2sum.evaluation.rouge import score_systems
from seq2sum.files import replaced_file
from seq2sum.gate.measures import GATE_ROUGE, Measures, measure

MODELS = ("first", "second")
_LOOPS = 4
_COLUMNS = ("repetition", "unsupported", "num_words", "reference_words", "copied")


def make_population(
    documents: Sequence[str],
    references: Sequence[str],
    hypotheses: tuple[Sequence[str], Sequence[str]],
    params: RougeParams,
    num_workers: int,
) -> dict[str, Measures]:
    """Measures two models' hypotheses, and degenerate systems made of the first's and of the documents."""
    systems = {
        **dict(zip(MODELS, hypotheses, strict=True)),
        "loops": [" ".join([hypothesis] * _LOOPS) for hypothesis in hypotheses[0]],
        "copies": list(documents),
        "copies_half": [document[: len(document) // 2] for document in documents],
        "empty": [""] * len(documents),
    }
    scores = score_systems(systems, references, params, num_workers)
    return {name: measure(documents, references, texts, scores[name].values) for name, texts in systems.items()}


def write_population(path: Path, population: Mapping[str, Measures]) -> None:
    """Writes a Parquet file, atomically: a row per system and pair."""
    tables = []
    for name, of_system in population.items():
        values = {column: getattr(of_system, column) for column in _COLUMNS}
        values |= {kind: of_system.rouge[:, column] for column, kind in enumerate(GATE_ROUGE)}
        # Single precision is more than any decision rests on, and half the size.
        columns = {column: numbers.astype(np.float32) for column, numbers in values.items()}
        tables.append(pa.table({"system": [name] * len(of_system.num_words), **columns}))
    with replaced_file(path) as beside:
        pq.write_table(pa.concat_tables(tables), beside, compression="zstd")


def read_population(path: Path) -> dict[str, Measures]:
    """Reads what :func:`write_population` wrote. Raises UserError if it is missing or something else."""
    try:
        table = pq.read_table(path, columns=["system", *_COLUMNS, *GATE_ROUGE])
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a population of scores: {error}") from error
    systems = np.array(table["system"].to_pylist(), dtype=object)
    population = {}
    for name in dict.fromkeys(systems):
        part = table.filter(pa.array(systems == name))
        values = {column: part[column].to_numpy().astype(np.float64) for column in (*_COLUMNS, *GATE_ROUGE)}
        rouge = np.stack([values.pop(kind) for kind in GATE_ROUGE], axis=1)
        population[name] = Measures(rouge=rouge, **values)
    if missing := [name for name in MODELS if name not in population]:
        raise UserError(f"{path}: lacks the system(s) {', '.join(missing)}.")
    return population
