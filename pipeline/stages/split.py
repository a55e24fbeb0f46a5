"""Stage split: accepted pairs to train, val and test, with nothing of val or test left in train."""

from collections.abc import Iterator
from dataclasses import replace

from tqdm import tqdm

from pipeline import paths
from pipeline.stages.runner import run_stage
from seq2sum.config import Params
from seq2sum.data.pairs import SPLITS, Pair, count_pairs, read_pairs, write_pairs
from seq2sum.data.split import divide_pairs
from seq2sum.files import replaced_folder, write_json


def split(params: Params) -> None:
    """Divides the pairs, writes one table per split in the order of the pairs, and reports the numbers."""
    total = count_pairs(paths.VALID_PAIRS)

    def read() -> Iterator[Pair]:
        return iter(tqdm(read_pairs(paths.VALID_PAIRS), "split", total, unit="pair", mininterval=1))

    division = divide_pairs(read, params.split)
    with replaced_folder(paths.SPLITS) as folder:
        for name in SPLITS:
            pairs = zip(read_pairs(paths.VALID_PAIRS), division.outcomes, strict=True)
            write_pairs(folder / f"{name}.parquet", (replace(pair, split=None) for pair, own in pairs if own == name))
    write_json(paths.SPLIT_REPORT, division.report)
    for name, count in division.report["num_pairs"].items():
        print(f"  {name:<6}{count:>12,} pairs", flush=True)


if __name__ == "__main__":
    run_stage("split", split)
