from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.overlap import sentences
from seq2sum.data.pretraining import gap_sentences

DOCUMENT = (
    "The harbour museum opens again on Saturday. Tickets are sold at the door. "
    "The museum shows how the harbour opens the town to the world. It was closed. Come early!"
)


def test_the_sentence_that_shares_most_with_the_others_is_lost_first():
    ((rest, lost),) = gap_sentences(DOCUMENT, 1)
    # Eight of its twelve words, "the" thrice among them, stand elsewhere: the best F1 of all.
    assert lost == "The museum shows how the harbour opens the town to the world."
    assert rest == DOCUMENT.replace(lost + " ", "")


def test_short_sentences_are_no_exercise():
    lost = [sentence for _, sentence in gap_sentences(DOCUMENT, 9)]
    assert lost == [sentence for sentence in sentences(DOCUMENT) if sentence != "Come early!"]


def test_a_single_sentence_can_not_be_lost():
    assert gap_sentences("Only this sentence stands here.", 3) == []
    assert gap_sentences("", 3) == []


@given(st.lists(st.sampled_from(["One two three.", "Four five six seven.", "Ok.", "Two three five, no?"]), max_size=6))
def test_nothing_but_the_lost_sentence_is_missing(parts):
    document = " ".join(parts)
    for rest, lost in gap_sentences(document, 10):
        kept = sentences(rest)
        assert sorted([*kept, lost]) == sorted(sentences(document))
        assert kept
