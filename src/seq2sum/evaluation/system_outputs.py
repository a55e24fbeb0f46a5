"""The file of all systems' summaries and scores of a test set, so that comparing systems later needs no decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seq2sum.errors import UserError
from seq2sum.evaluation.rouge import ROUGE_TYPES, RougeScores
from seq2sum.files import replaced_file

# The name of the system that is judged; the others are baselines.
MODEL = "model"
_SIGNATURE = b"rouge_signature"
_TEXT_COLUMNS = ("system", "id", "reference", "hypothesis")
_SCHEMA = pa.schema([(name, pa.string()) for name in _TEXT_COLUMNS] + [(kind, pa.float64()) for kind in ROUGE_TYPES])


@dataclass(frozen=True)
class SystemOutputs:
    """The test pairs by id, and each system's summaries and scores of them in the same order."""

    ids: Sequence[str]
    references: Sequence[str]
    hypotheses: Mapping[str, Sequence[str]]
    scores: Mapping[str, RougeScores]


def write_outputs(path: Path, outputs: SystemOutputs) -> None:
    """Writes a Parquet file, atomically: a row per system and pair, the metric's signature in the file's metadata."""
    tables = [
        pa.table(
            {
                "system": [system] * len(outputs.ids),
                "id": list(outputs.ids),
                "reference": list(outputs.references),
                "hypothesis": list(hypotheses),
                **outputs.scores[system].values,
            },
            schema=_SCHEMA,
        )
        for system, hypotheses in outputs.hypotheses.items()
    ]
    (signature,) = {scores.signature for scores in outputs.scores.values()}
    table = pa.concat_tables(tables).replace_schema_metadata({_SIGNATURE: signature.encode()})
    with replaced_file(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def read_outputs(path: Path) -> SystemOutputs:
    """Reads what :func:`write_outputs` wrote. Raises UserError if the file is missing, damaged or something else."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run the evaluate stage.") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file: {error}. Run the evaluate stage again.") from error
    metadata = table.schema.metadata or {}
    if not table.schema.equals(_SCHEMA) or _SIGNATURE not in metadata or not table.num_rows:
        raise UserError(f"{path}: not a table of scored summaries. Run the evaluate stage again.")
    systems = np.array(table["system"].to_pylist(), dtype=object)
    parts = {system: table.filter(pa.array(systems == system)) for system in dict.fromkeys(systems)}
    first = next(iter(parts.values()))
    if any(not part["id"].equals(first["id"]) for part in parts.values()):
        raise UserError(f"{path}: the systems were not run on the same pairs. Run the evaluate stage again.")
    return SystemOutputs(
        ids=first["id"].to_pylist(),
        references=first["reference"].to_pylist(),
        hypotheses={system: part["hypothesis"].to_pylist() for system, part in parts.items()},
        scores={system: _scores(part, metadata[_SIGNATURE].decode()) for system, part in parts.items()},
    )


def _scores(part: pa.Table, signature: str) -> RougeScores:
    return RougeScores(signature, {kind: part[kind].to_numpy() for kind in ROUGE_TYPES})
