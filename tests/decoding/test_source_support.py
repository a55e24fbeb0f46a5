import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seq2sum.data.support import is_claim, unsupported_claims
from seq2sum.data.tokenizer import BOS, EOS, MASK, PAD, Tokenizer
from seq2sum.decoding.search import beam_search
from seq2sum.decoding.source_support import SourceSupport, SupportTable
from tests.decoding.tables import Trace, search_params

TEXTS = [
    "The ferry Anna leaves the harbour at 9:30, says Debian 12.5 in March; 1,200 people and mp3 files.",
    "An iPhone of ÉCOLE Größe, naïveté 日本語 第3章 Ελλάς and emoji 🙂 with ATM-2.",
    "a summary of the ferry with Anna and debian",
]
TOKENIZER = Tokenizer.train(TEXTS * 3, vocab_size=420, min_frequency=2)
PIECES = TOKENIZER.piece_bytes()
TABLE = SupportTable(PIECES, EOS)
ORDINARY = frozenset(spelling.decode().lower() for spelling in TABLE.ordinary._known)
CLAIMS = [number for number, piece in enumerate(PIECES) if is_claim(piece.decode(errors="replace"))]
FRAGMENTS = [number for number, piece in enumerate(PIECES) if "\ufffd" in piece.decode(errors="replace")]
JOINERS = [number for number, piece in enumerate(PIECES) if piece in {b".", b",", b":"}]

documents = st.sampled_from(TEXTS) | st.lists(
    st.sampled_from(
        [*" ".join(TEXTS).split(), "3.5", "3", "5", "x٣", "٣.5", "a1,b", "ß", "ŉ", "İ", "ǅ", "\u0301A", "が"]
    )
    | st.text(max_size=4),
    min_size=1,
    max_size=8,
).map(" ".join)


def summarize(step, texts, is_guarded=True, **changes):
    """The search's hypotheses for documents ``texts`` under a step function from latest ids to log probabilities."""
    params = search_params(**({"beam_size": 3, "max_tokens": 12} | changes))
    constraints = [SourceSupport(TABLE, texts, params.max_tokens)] if is_guarded else []
    start, begin = Trace(torch.zeros(len(texts), 1, 1, dtype=torch.long)), torch.full((len(texts), 1), BOS)
    return beam_search(
        lambda latest, state: (step(latest), state), start, begin, params, EOS, (PAD, BOS, MASK), constraints
    )


def random_step(seed):
    """A model that likes claims, parts of characters and what joins digits."""
    generator = torch.Generator().manual_seed(seed)

    def step(latest):
        logits = torch.randn(*latest.shape, TOKENIZER.vocab_size, generator=generator)
        for liked in (CLAIMS, FRAGMENTS, JOINERS):
            logits[:, :, liked] += 3 * torch.rand(1, generator=generator)
        return torch.log_softmax(logits, dim=2)

    return step


def writes(text):
    """A model that writes ``text`` and hardly anything else."""
    ids, place = [*TOKENIZER.encode(text), EOS], iter(range(100))

    def step(latest):
        logits = torch.zeros(*latest.shape, TOKENIZER.vocab_size)
        logits[:, :, ids[min(next(place), len(ids) - 1)]] = 20
        return torch.log_softmax(logits, dim=2)

    return step


@settings(max_examples=300)
@given(
    texts=st.lists(documents, min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    max_tokens=st.integers(1, 14),
    beam_size=st.integers(1, 4),
)
# A letter that is younger than Python's table of letters.
@example(texts=["\U0002ebe1"], seed=339, max_tokens=5, beam_size=1)
def test_no_claim_is_invented_and_no_beam_is_stuck(texts, seed, max_tokens, beam_size):
    found = summarize(random_step(seed), texts, max_tokens=max_tokens, min_tokens=max_tokens, beam_size=beam_size)
    for text, hypotheses in zip(texts, found, strict=True):
        assert hypotheses
        for hypothesis in hypotheses:
            summary = TOKENIZER.decode(hypothesis.ids)
            assert unsupported_claims(summary, text, ORDINARY) == [], (summary, text)
            assert "\ufffd" not in summary or "\ufffd" in text


def test_without_the_guard_the_same_model_invents():
    invented = [
        unsupported_claims(TOKENIZER.decode(hypothesis.ids), TEXTS[0], ORDINARY)
        for seed in range(20)
        for hypothesis in summarize(random_step(seed), TEXTS[:1], is_guarded=False)[0]
    ]
    assert sum(map(bool, invented)) > len(invented) / 2


@pytest.mark.parametrize(
    ("document", "summary", "is_written"),
    [
        (TEXTS[0], "the ferry Anna leaves at 9:30", True),
        (TEXTS[0], "1,200 mp3 files of Debian 12.5", True),
        (TEXTS[1], "naïveté ÉCOLE 🙂 日本語 Ελλάς", True),
        (TEXTS[1], "第3章 of 3", True),
        (TEXTS[2], "the Debian of ANNA.", True),  # whatever the case
        (TEXTS[1], "the ferry Anna", False),
        (TEXTS[0], "at 9:5", False),
        ("it has 12 or 5 people", "with 12.5", False),
        ("it has 12.5 people", "with 12", False),
        ("it has 12. and 5. people", "the 12. 5", True),
        ("Debianites", "the Debian", False),
        ("a boat", "Ferry", True),  # an ordinary word, as the first
        ("a boat", "the Ferry", False),
        ("a boat", "Anna", False),  # a name in the training texts
    ],
)
def test_what_a_document_supports_is_written_and_nothing_else(document, summary, is_written):
    ((best, *_),) = summarize(writes(summary), [document], max_tokens=40, beam_size=4)
    assert (TOKENIZER.decode(best.ids) == summary) == is_written
    assert (unsupported_claims(summary, document, ORDINARY) == []) == is_written


def test_a_claim_is_not_begun_without_the_pieces_to_complete_it():
    summary = "the Szczepanski"
    num_pieces = len(TOKENIZER.encode(summary))
    assert num_pieces > 4
    for max_tokens in (num_pieces, num_pieces - 1):
        ((best, *_),) = summarize(writes(summary), ["for Szczepanski"], max_tokens=max_tokens, beam_size=1)
        written = TOKENIZER.decode(best.ids)
        assert (written == summary) == ("S" in written) == (max_tokens == num_pieces)


def test_a_document_is_told_by_its_place_in_the_search_after_others_have_left_it() -> None:
    begun = torch.tensor([[TOKENIZER.encode("an iPhone")]])  # of which the first document knows nothing
    left, alone = torch.zeros(1, 1, TOKENIZER.vocab_size), torch.zeros(1, 1, TOKENIZER.vocab_size)
    SourceSupport(TABLE, TEXTS[:2], 12)(left, begun, torch.tensor([1]))
    SourceSupport(TABLE, TEXTS[1:2], 12)(alone, begun, torch.tensor([0]))
    assert torch.equal(left, alone)
    assert not torch.equal(left[0, 0], torch.zeros(TOKENIZER.vocab_size))
