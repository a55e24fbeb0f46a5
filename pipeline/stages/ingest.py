"""Reads the source: one table of pairs, and the data card that tells where they come from."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict

from tqdm import tqdm

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.data.sources.base import Source
from seq2sum.data.sources.located import locate
from seq2sum.data.sources.select import open_source
from seq2sum.data_config import IngestParams
from seq2sum.errors import UserError
from seq2sum.files import replaced_folder, write_json


def run(params: Params) -> None:
    """The source to the table and the card."""
    ingest = params.ingest
    _require_as_located(ingest)
    source = open_source(ingest.source, paths.DOWNLOADS)
    with replaced_folder(paths.RAW_PAIRS.parent) as folder:
        pairs = tqdm(_first_pairs(source, ingest.max_pairs), desc="ingest", unit=" pairs")
        num_pairs = write_pairs(folder / paths.RAW_PAIRS.name, pairs)
        if num_pairs == 0:
            raise UserError("the source yields no pairs. Mend ingest.source in params.yaml.")
        write_json(folder / paths.DATA_CARD.name, {"num_pairs": num_pairs, **asdict(source.card)})


def _first_pairs(source: Source, max_pairs: int | None) -> Iterator[Pair]:
    for split in source.splits:
        yield from itertools.islice(source.pairs(split), max_pairs)


def _require_as_located(ingest: IngestParams) -> None:
    """Raises UserError if the source is no longer what the stage before saw."""
    try:
        located = json.loads(paths.SOURCE_STATE.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{paths.SOURCE_STATE}: not found. Run the stage `locate` first.") from error
    if located != locate(ingest.source):
        raise UserError(f"the source's files are no longer those of {paths.SOURCE_STATE}. Run the pipeline again.")


if __name__ == "__main__":
    run_stage("ingest", run)
