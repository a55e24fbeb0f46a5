"""Stage train_tokenizer: the texts of the train split to a subword vocabulary."""

from collections.abc import Iterator

from tqdm import tqdm

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.pairs import count_pairs, read_pairs
from seq2sum.data.tokenizer import Tokenizer


def train_tokenizer(params: Params) -> None:
    """Learns the vocabulary from documents and summaries alike, and writes it."""
    tokenizer = Tokenizer.train(_texts(), **params.train_tokenizer.model_dump())
    tokenizer.save(paths.TOKENIZER)
    print(f"  {tokenizer.vocab_size:,} pieces", flush=True)


def _texts() -> Iterator[str]:
    total = count_pairs(paths.TRAIN_PAIRS)
    for pair in tqdm(read_pairs(paths.TRAIN_PAIRS), "train_tokenizer", total, unit="pair", mininterval=1):
        yield pair.document
        yield pair.summary


if __name__ == "__main__":
    run_stage("train_tokenizer", train_tokenizer)
