"""Stage encode: the pairs of train and val to piece ids that training maps into memory."""

from pipeline import paths
from pipeline.stages.runner import run_stage
from pipeline.workers import num_workers
from seq2sum.config import Params
from seq2sum.data.encoding import encode_pairs
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.files import replaced_folder


def encode(params: Params) -> None:
    """Encodes both splits and writes them with their counts and digest."""
    tokenizer = Tokenizer.load(paths.TOKENIZER)
    tables = {"train": paths.TRAIN_PAIRS, "val": paths.VAL_PAIRS}
    with replaced_folder(paths.ENCODED) as folder:
        info = encode_pairs(tables, tokenizer, params.encode, folder, num_workers())
    for name, counts in info["splits"].items():
        print(f"  {name:<9}" + ", ".join(f"{key} {count:,}" for key, count in counts.items()), flush=True)


if __name__ == "__main__":
    run_stage("encode", encode)
