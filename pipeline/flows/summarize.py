"""The flow `summarize`: the champion's summaries of a folder; `pipeline.batch` says what is promised."""

import argparse
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from pipeline.batch import summarize_folder
from pipeline.flows.champion import fetched, version_for
from pipeline.flows.outage import outlasts_outages
from pipeline.flows.train import require_few_starts, run_here


@flow(name="summarize")
@outlasts_outages
def summarize(source: str, target: str, column: str = "document", chunk_rows: int = 500) -> dict[str, Any]:
    """Summarizes ``column`` of all files in the folder ``source`` into the folder ``target``; both may be `s3://…`.

    A run that was killed goes on after the last whole chunk, with the version that began: a batch has one version, even
    if another is champion by now. Rows that can't be read go aside, files of other kinds are left out. Raises UserError
    if that version is gone, and if the run was lost and started again too often, as by a row that kills the process.
    """
    require_few_starts()
    from pipeline.hardware import use_hardware
    from seq2sum.summarize import Summarizer

    log: Any = get_run_logger()
    with fetched(version_for(target, log)) as version:
        summarizer = Summarizer.load(version.model, str(use_hardware()))
        work = summarize_folder(
            source, target, column, version.number, summarizer, chunk_rows,
            lambda num_rows: log.info("%d rows", num_rows), log.warning,
        )  # fmt: skip
    made = work.num_rows - work.num_skipped
    report = {
        **work._asdict(),
        "version": version.number,
        "rows_per_second": round(made / work.wall_seconds, 2),
        "wall_seconds": round(work.wall_seconds, 1),
    }
    create_table_artifact([report], key="throughput", description=f"summaries of {source}")
    return report


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.flows.summarize", description=__doc__)
    parser.add_argument("source", help="a folder or s3://bucket/prefix of .jsonl, .csv, .tsv or .parquet files")
    parser.add_argument("target", help="the folder or s3://bucket/prefix for the summaries")
    parser.add_argument("--column", help="where the document stands (%(default)s)")
    parser.add_argument("--chunk-rows", type=int, help="rows of a file of summaries (%(default)s)")
    run_here(summarize, parser)


if __name__ == "__main__":
    main()
