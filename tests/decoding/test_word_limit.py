import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.tokenizer import BOS, EOS, MASK, PAD, Tokenizer
from seq2sum.decoding.search import beam_search
from seq2sum.decoding.word_limit import WordLimit, WordTable
from tests.decoding.tables import BEGIN, END, Trace, random_tables, search, search_params

PIECES = [b"", b"", b" sum", b"mary", b" of", b",", b" "]
GOES_ON = [3]  # "mary"


def limit(max_words, whole=True):
    return WordLimit(WordTable(PIECES), max_words, END, whole)


def text_of(ids):
    return b"".join(PIECES[piece] for piece in ids).decode()


@given(seed=st.integers(0, 10_000), max_words=st.integers(1, 3), whole=st.booleans())
def test_a_wide_beam_equals_brute_force(seed, max_words, whole):
    (table,) = random_tables(1, len(PIECES), seed)
    every = []
    for ids in itertools.chain(*(itertools.product(range(2, len(PIECES)), repeat=length) for length in range(4))):
        is_broken = whole and ids and table[ids[-1], GOES_ON].sum() > 0.5
        if len(text_of(ids).split()) <= max_words and not is_broken:
            every.append((sum(table[a, b].log().item() for a, b in itertools.pairwise([BEGIN, *ids, END])), list(ids)))
    (found,) = search(table[None], constraints=[limit(max_words, whole)], beam_size=300, num_best=9, max_tokens=3)
    assert [hypothesis.ids for hypothesis in found[:9]] == [ids for _, ids in sorted(every, reverse=True)[:9]]


def test_the_last_word_is_completed_before_the_end():
    table = torch.full((len(PIECES), len(PIECES)), 0.01)
    table[BEGIN, 2] = table[2, 3] = table[3, 4] = table[4, 2] = 0.9  # " sum" "mary" " of" " sum" "mary" …
    table[2, END] = table[3, END] = 0.05
    for beam_size in (1, 4):
        (found,) = search(table[None], constraints=[limit(3)], beam_size=beam_size, length_penalty=1.5, max_tokens=9)
        assert text_of(found[0].ids) == " summary of summary"
        assert not any(text_of(hypothesis.ids).endswith("sum") for hypothesis in found)


TOKENIZER = Tokenizer.train(
    ["the ferry\u00a0\u00a0\u00a0leaves\u2003\u2003at\n\n nine", "日本語 \u3000\u3000Größe 🙂"] * 3,
    vocab_size=330,
    min_frequency=2,
)
TABLE = WordTable(TOKENIZER.piece_bytes())


@given(seed=st.integers(0, 10_000), max_words=st.integers(1, 4), favoured=st.lists(st.integers(4, 329), max_size=8))
def test_no_pieces_of_any_script_exceed_the_limit_nor_leave_nothing(seed, max_words, favoured):
    """Whatever the model prefers: also bytes that make up spaces of several bytes."""
    generator = torch.Generator().manual_seed(seed)

    def step(latest, state):
        logits = torch.randn(*latest.shape, TOKENIZER.vocab_size, generator=generator)
        logits[:, :, [piece for piece in favoured if piece < TOKENIZER.vocab_size]] += 4
        return torch.log_softmax(logits, dim=2), state

    start = Trace(torch.zeros(2, 1, 1, dtype=torch.long))
    params = search_params(max_tokens=24, min_tokens=8, beam_size=3)
    constraints = [WordLimit(TABLE, max_words, EOS, whole=False)]
    found = beam_search(step, start, torch.full((2, 1), BOS), params, EOS, (PAD, BOS, MASK), constraints, num_best=3)
    for hypotheses in found:
        assert hypotheses
        for hypothesis in hypotheses:
            assert len(TOKENIZER.decode(hypothesis.ids).split()) <= max_words


@pytest.mark.parametrize(
    ("written", "piece", "is_allowed"),
    [
        ("one two", " three", False),
        ("one two", "s", True),
        ("one two ", "s", False),
        ("one two\u00a0", "s", False),
        ("one", " two", True),
    ],
)
def test_a_word_begins_after_any_white_space(written, piece, is_allowed):
    pieces = [b"", *(sign.encode() for sign in written), piece.encode()]
    log_probs, prefixes = torch.zeros(1, 1, len(pieces)), torch.arange(1, len(pieces) - 1).view(1, 1, -1)
    WordLimit(WordTable(pieces), 2, 0, whole=False)(log_probs, prefixes, torch.zeros(1))
    assert bool(log_probs[0, 0, -1] == 0) == is_allowed
