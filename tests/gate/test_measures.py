import numpy as np
import pytest

from seq2sum.data.overlap import words
from seq2sum.gate.measures import GATE_ROUGE, copied_share, measure, repetition_of

DOCUMENT = "The Harbour Museum opens in 2024 with GTK displays. It shows 3 ships, and Anna Berg leads it."


@pytest.mark.parametrize(
    ("summary", "share"),
    [
        ("", 0.0),
        ("one", 0.0),
        ("one two three", 0.0),
        ("one one", 1.0),
        ("one one one one", 1.0),
        ("one two one two one two", 3 / 5),
        ("a red and a blue and a green boat", 1 / 8),
    ],
)
def test_repetition_counts_loops_and_doubled_words(summary: str, share: float) -> None:
    assert repetition_of(summary.split()) == pytest.approx(share)


def test_a_copy_covers_its_document() -> None:
    document = words(DOCUMENT)
    assert copied_share(document, document) == 1.0
    assert copied_share(document, document[:9]) == pytest.approx(9 / len(document))
    assert copied_share(document, ["nothing", "shared"]) == copied_share(document, []) == copied_share([], []) == 0.0


def test_every_pair_is_measured_in_its_place() -> None:
    scores = {kind: np.array([1.0, 2.0, 3.0]) * factor for factor, kind in enumerate((*GATE_ROUGE, "rougeL"), start=1)}
    measured = measure([DOCUMENT] * 3, ["a b c", "d", ""], ["", "2025 2025", DOCUMENT], scores)
    assert measured.rouge.tolist() == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]
    assert measured.num_words.tolist() == [0, 2, len(words(DOCUMENT))]
    assert measured.reference_words.tolist() == [3, 1, 0]
    assert measured.unsupported.tolist() == [0, 1, 0]
    assert measured.copied.tolist() == [0, 0, 1]
    assert measured.repetition.tolist()[:2] == [0, 1]
    again = measured.rows(np.array([[2, 0], [1, 1]]))
    assert again.rouge.shape == (2, 2, 3)
    assert again.num_words.tolist() == [[measured.num_words[2], 0], [2, 2]]
