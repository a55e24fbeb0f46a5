import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from seq2sum.data.encoded import EncodedPairs, PieceVectors, read_info
from seq2sum.data.encoding import encode_pairs
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.data.word_vectors import read_piece_vectors
from seq2sum.data_config import EncodeParams
from seq2sum.errors import UserError
from seq2sum.model.summarizer import SummarizerModel
from tests.model.tiny import tiny_params

TEXTS = ["The lamp and the road and the Lamp. Clocks, clocks and roads."] * 5
TOKENIZER = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
LINES = ["lamp 3 0", "the 0 4", "clocks 1 1", "unknown 9 9", ". 5 5"]


def piece(word: str) -> int:
    (found,) = TOKENIZER.encode(word)
    return found


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_pieces_that_are_words_get_the_words_vectors(tmp_path: Path) -> None:
    found = read_piece_vectors(write(tmp_path / "a.vec", LINES), TOKENIZER)
    vectors = dict(zip(found.ids.tolist(), found.vectors.tolist(), strict=True))
    # Lower case stands for other spellings; the full stop is no piece that begins a word.
    words = {"lamp": [3, 0], "Lamp": [3, 0], "the": [0, 4], "The": [0, 4], "clocks": [1, 1], "Clocks": [1, 1]}
    scale = np.mean([np.hypot(*vector) for vector in words.values()])
    assert vectors == {piece(word): pytest.approx(np.array(vector) / scale) for word, vector in words.items()}


def test_a_words_own_spelling_comes_before_its_lower_case(tmp_path: Path) -> None:
    for lines in (["lamp 3 0", "Lamp 0 3"], ["Lamp 0 3", "lamp 3 0"]):
        found = read_piece_vectors(write(tmp_path / "a.vec", lines), TOKENIZER)
        assert dict(zip(found.ids.tolist(), found.vectors.tolist(), strict=True)) == {
            piece("lamp"): [1, 0],
            piece("Lamp"): [0, 1],
        }


def test_counts_in_the_first_line_words_with_spaces_and_compression(tmp_path: Path) -> None:
    plain = read_piece_vectors(write(tmp_path / "a.vec", LINES), TOKENIZER)
    packed = tmp_path / "b.vec.gz"
    packed.write_bytes(gzip.compress("\n".join([f"{len(LINES)} 2", *LINES, "two words 1 2"]).encode()))
    for one, other in zip(plain, read_piece_vectors(packed, TOKENIZER), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["lamp 1 2", "road 1"], r"a\.vec, line 2: expected a word and 2 numbers"),
        (["lamp 1 2", "the 1 two"], r"a\.vec, line 2: not a word and its numbers: .*'two'"),
        (["lamp 1 nan"], r"a\.vec, line 1: a number is not finite"),
        (["lampe 1 2"], r"a\.vec: holds none of the words of the vocabulary"),
        ([], r"a\.vec: holds none"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_piece_vectors(write(tmp_path / "a.vec", lines), TOKENIZER)


def test_embeddings_start_from_what_was_encoded(tmp_path: Path) -> None:
    table = tmp_path / "train.parquet"
    write_pairs(table, [Pair(str(number), str(number), text, "The lamp") for number, text in enumerate(TEXTS)])
    params = EncodeParams(max_source_tokens=9, max_target_tokens=9, pretrain_sentences=0, word_vectors=None)
    digests = set()
    for name, lines in (("without", None), ("with", LINES), ("other", [*LINES, "road 1 1"])):
        file = None if lines is None else str(write(tmp_path / f"{name}.vec", lines))
        encode_pairs(
            {"train": table, "val": table}, TOKENIZER, params.model_copy(update={"word_vectors": file}),
            tmp_path / name, 1,
        )  # fmt: skip
        digests.add(read_info(tmp_path / name)["digest"])
        assert len(EncodedPairs.open(tmp_path / name / "train")) == len(TEXTS)
    assert len(digests) == 3
    assert PieceVectors.load(tmp_path / "without") is None
    vectors = PieceVectors.load(tmp_path / "with")
    assert vectors is not None
    torch.manual_seed(1)
    model = SummarizerModel(tiny_params(embedding_size=2), TOKENIZER.vocab_size)
    before = model.embedding.weight.detach().clone()
    model.start_from(*map(torch.from_numpy, vectors))
    changed = (model.embedding.weight != before).any(dim=1).nonzero().flatten()
    assert changed.tolist() == vectors.ids.tolist()
    torch.testing.assert_close(model.embedding.weight[changed].detach(), torch.from_numpy(vectors.vectors))
    with pytest.raises(UserError, match=r"vectors of size 2, .*embedding_size is 8"):
        SummarizerModel(tiny_params(embedding_size=8), TOKENIZER.vocab_size).start_from(*map(torch.from_numpy, vectors))


def test_damage_is_named(tmp_path: Path) -> None:
    PieceVectors(np.array([1]), np.ones((1, 2), np.float32)).save(tmp_path)
    (tmp_path / "vectors.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"vectors\.safetensors: damaged: .*Run the encode stage again"):
        PieceVectors.load(tmp_path)
