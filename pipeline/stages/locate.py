"""Writes down what the source names, so that changed local files are noticed. Runs each time, hence cheap."""

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.sources.located import locate
from seq2sum.files import write_json


def run(params: Params) -> None:
    """Params to the source's state."""
    write_json(paths.SOURCE_STATE, locate(params.ingest.source))


if __name__ == "__main__":
    run_stage("locate", run)
