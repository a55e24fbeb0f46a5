import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.tokenizer import BOS, EOS, MASK, NUM_SPECIAL, PAD, Tokenizer
from seq2sum.errors import UserError

TEXTS = [
    "The ferry leaves the harbour at nine and comes back at noon.",
    "A ferry timetable for the harbour",
    "Harbour ferries leave on time; the ferry to the island does not.",
    "Größe, naïveté, 日本語 and emoji 🙂 are text as well.",
] * 3
TOKENIZER = Tokenizer.train(TEXTS, vocab_size=400, min_frequency=2)
SPECIAL_NAMES = TOKENIZER.pieces([PAD, BOS, EOS, MASK])

any_text = st.text() | st.text(alphabet="aeh frry .,\n\t'⟨pad⟩") | st.sampled_from(SPECIAL_NAMES + TEXTS)


@given(any_text)
def test_decoding_gives_back_the_text(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.lists(any_text, max_size=5))
def test_a_batch_encodes_like_its_texts(texts: list[str]) -> None:
    assert TOKENIZER.encode_batch(texts) == [TOKENIZER.encode(text) for text in texts]


@given(any_text)
def test_no_text_gives_special_ids(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert all(NUM_SPECIAL <= piece < TOKENIZER.vocab_size for piece in ids)
    assert bool(ids) == bool(text)


@given(any_text)
def test_the_pieces_of_a_text_join_to_it(text: str) -> None:
    pieces = TOKENIZER.pieces(TOKENIZER.encode(text))
    if all("\N{REPLACEMENT CHARACTER}" not in piece for piece in pieces):
        assert "".join(pieces).removeprefix(" ") == text


@given(any_text)
def test_every_byte_of_a_text_is_in_its_pieces_so_that_nothing_is_unknown(text: str) -> None:
    pieces = TOKENIZER.piece_bytes()
    assert b"".join(pieces[piece] for piece in TOKENIZER.encode(text)) == (b" " + text.encode() if text else b"")
    assert len(set(pieces[NUM_SPECIAL:])) == TOKENIZER.vocab_size - NUM_SPECIAL
    assert pieces[:NUM_SPECIAL] == [b""] * NUM_SPECIAL


@given(any_text)
def test_spans_cover_the_text_and_hold_their_pieces(text: str) -> None:
    ids, spans = TOKENIZER.encode_with_spans(text)
    assert ids == TOKENIZER.encode(text)
    assert len(spans) == len(ids)
    assert {place for start, end in spans for place in range(start, end)} == set(range(len(text)))
    for piece, (start, end) in zip(TOKENIZER.pieces(ids), spans, strict=True):
        if "\N{REPLACEMENT CHARACTER}" not in piece:
            assert text[start:end] == piece or (start == 0 and " " + text[:end] == piece)


def test_special_ids_are_fixed_and_dropped_in_decoding() -> None:
    assert (PAD, BOS, EOS, MASK) == (0, 1, 2, 3)
    ids = TOKENIZER.encode("the ferry")
    assert TOKENIZER.decode([BOS, *ids[:1], MASK, *ids[1:], EOS, PAD, PAD]) == "the ferry"
    assert len(set(SPECIAL_NAMES)) == NUM_SPECIAL


def test_a_first_word_is_the_same_piece_as_within_a_text() -> None:
    assert set(TOKENIZER.encode("ferry")) <= set(TOKENIZER.encode("The ferry leaves"))
    assert TOKENIZER.encode("the ferry")[0] in TOKENIZER.encode("at the end")


def test_frequent_words_are_one_piece_and_unseen_scripts_are_bytes() -> None:
    assert len(TOKENIZER.encode("harbour")) == 1
    assert len(TOKENIZER.encode("ж")) == 1 + len("ж".encode())


def test_all_bytes_are_in_the_vocabulary_even_of_one_text() -> None:
    tokenizer = Tokenizer.train(["ab"], vocab_size=300, min_frequency=1)
    assert NUM_SPECIAL + 256 <= tokenizer.vocab_size <= 300
    assert tokenizer.decode(tokenizer.encode("\x00\x7fжß🙂")) == "\x00\x7fжß🙂"


def test_the_vocabulary_keeps_to_its_size_and_frequency() -> None:
    assert Tokenizer.train(TEXTS, vocab_size=300, min_frequency=2).vocab_size == 300
    assert Tokenizer.train(TEXTS, vocab_size=400, min_frequency=1000).vocab_size == NUM_SPECIAL + 256


def test_training_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "first.json")
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    Tokenizer.train(iter(shuffled), vocab_size=400, min_frequency=2).save(tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


def test_parts_of_a_character_are_left_out_and_a_whole_replacement_character_is_not() -> None:
    ids = TOKENIZER.encode("the ж\N{REPLACEMENT CHARACTER}")
    assert TOKENIZER.decode(ids) == "the ж\N{REPLACEMENT CHARACTER}"
    assert TOKENIZER.decode(ids[:-1]) == "the ж"
    assert TOKENIZER.decode([*TOKENIZER.encode("ж")[:-1], *TOKENIZER.encode("the")]) == " the"


@given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1)))
def test_any_ids_decode_to_text(ids: list[int]) -> None:
    text = TOKENIZER.decode(ids)
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
    assert len(TOKENIZER.pieces(ids)) == len(ids)


def test_saving_and_loading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    TOKENIZER.save(path)
    loaded = Tokenizer.load(path)
    text = f"The ferry, {SPECIAL_NAMES[EOS]} 🙂"
    assert loaded.encode(text) == TOKENIZER.encode(text)
    assert loaded.vocab_size == TOKENIZER.vocab_size
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("encode", [TOKENIZER.encode, lambda text: TOKENIZER.encode_batch(["fine", text])])
def test_half_a_surrogate_pair_is_refused_by_name(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(UserError, match=r"\\ud83d.* at character 2"):
        encode("ab\ud83d")


def saved(path: Path) -> dict[str, object]:
    TOKENIZER.save(path)
    content: dict[str, object] = json.loads(path.read_text())
    return content


def broken_files(path: Path) -> dict[str, str | bytes]:
    good = saved(path)
    swapped = json.dumps(good["tokenizer"], ensure_ascii=False).replace("⟨bos⟩", "⟨swap⟩").replace("⟨eos⟩", "⟨bos⟩")
    return {
        "cut off": path.read_bytes()[:1000],
        "not UTF-8": b"\xff" + path.read_bytes(),
        "no tokenizer of this project": json.dumps([1]),
        "format version 2, expected 1": json.dumps({**good, "version": 2}),
        "damaged": json.dumps({**good, "tokenizer": {"model": {}}}),
        "special ids": json.dumps({**good, "tokenizer": json.loads(swapped)}),
    }


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut off", "not readable as JSON"),
        ("not UTF-8", "not readable as JSON"),
        ("no tokenizer of this project", None),
        ("format version 2, expected 1", None),
        ("damaged", None),
        ("special ids", None),
    ],
)
def test_a_broken_file_is_named_with_its_mend(tmp_path: Path, kind: str, message: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    content = broken_files(path)[kind]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message or kind) as caught:
        Tokenizer.load(path)
    assert str(path) in str(caught.value)
    assert "train_tokenizer" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json: not found"):
        Tokenizer.load(tmp_path / "tokenizer.json")
