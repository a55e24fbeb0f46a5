"""The default corpus's splits as lines of our subword pieces, one word per piece, for peers that read text.

``python -m benchmarks.peers.pieces FOLDER`` after ``dvc repro encode``. Documents are cut where ours are.
"""

import sys
from pathlib import Path

from pipeline import paths
from seq2sum.data.pairs import read_pairs
from seq2sum.data.tokenizer import NUM_SPECIAL, Tokenizer
from seq2sum.files import write_text
from seq2sum.params_file import load_params


def write_pieces(folder: Path) -> None:
    """Writes ``train.src``, ``train.tgt``, the same for val and test, and ``vocabulary``."""
    tokenizer, limits = Tokenizer.load(paths.TOKENIZER), load_params(paths.PARAMS).encode
    for split in ("train", "val", "test"):
        pairs = list(read_pairs(paths.SPLITS / f"{split}.parquet"))
        sides = {
            "src": ([pair.document.strip() for pair in pairs], limits.max_source_tokens),
            "tgt": ([pair.summary.strip() for pair in pairs], limits.max_target_tokens),
        }
        for suffix, (texts, most) in sides.items():
            rows = [" ".join(map(str, ids[:most])) for ids in tokenizer.encode_batch(texts)]
            write_text(folder / f"{split}.{suffix}", "".join(row + "\n" for row in rows))
    write_text(folder / "vocabulary", "".join(f"{piece}\n" for piece in range(NUM_SPECIAL, tokenizer.vocab_size)))


def read_summaries(path: Path) -> list[str]:
    """The texts of a file of pieces, a line each; what is no piece (a peer's unknown word) is left out."""
    tokenizer = Tokenizer.load(paths.TOKENIZER)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [tokenizer.decode(int(word) for word in line.split() if word.isdecimal()).strip() for line in lines]


if __name__ == "__main__":
    write_pieces(Path(sys.argv[1]))
