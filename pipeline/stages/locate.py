"""Writes down what the params name of local files, so that changes are noticed. Runs each time, hence cheap."""

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.sources.located import locate, locate_word_vectors
from seq2sum.files import write_json


def run(params: Params) -> None:
    """Params to the state of the source and of the word vectors."""
    write_json(paths.SOURCE_STATE, locate(params.ingest.source))
    write_json(paths.WORD_VECTORS_STATE, locate_word_vectors(params.encode.word_vectors))


if __name__ == "__main__":
    run_stage("locate", run)
