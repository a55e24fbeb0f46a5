import pytest

from seq2sum.data.support import cased_words, ordinary_words, unsupported_claims, unsupported_share

MUSEUM = "The Harbour Museum opens in 2024 with GTK displays. It shows 3 ships, and Anna Berg leads it."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna's e-mail, at 9:30.", ["Anna", "s", "e", "mail", "at", "9:30"]),
        ("1,200.5 or v2.13.0; 3. 4 and 3..4", ["1,200.5", "or", "v2.13.0", "3", "4", "and", "3", "4"]),
        ("a.b 2.x x.2", ["a", "b", "2", "x", "x", "2"]),
        ("第3章 Größe_2", ["第", "3", "章", "Größe", "2"]),
    ],
)
def test_words_keep_their_case_and_numbers_what_joins_their_digits(text: str, words: list[str]) -> None:
    assert cased_words(text) == words


@pytest.mark.parametrize(
    ("summary", "document", "unsupported"),
    [
        ("the ferry of Anna", "ANNA has a ferry", []),
        ("The Ferry", "the ferry", []),
        ("Boat of Anna in 2024", "a ferry", ["Boat", "Anna", "2024"]),
        ("3.5 of 3", "3 or 5", ["3.5"]),
        ("3 of 5", "3.5", ["3", "5"]),
        ("a new boat, three of them", "a ferry", []),
        ("mp3 iPhone", "mp4 phone", ["mp3", "iPhone"]),
        ("", "a", []),
        ("A", "", ["A"]),
    ],
)
def test_claims_are_numbers_and_capitalised_words_that_the_document_lacks(
    summary: str, document: str, unsupported: list[str]
) -> None:
    assert unsupported_claims(summary, document) == unsupported


def test_an_ordinary_word_may_be_the_first_alone() -> None:
    assert unsupported_claims("Boat Boat", "a ferry", {"boat"}) == ["Boat"]
    assert unsupported_claims("BOAT", "a ferry", {"boat"}) == ["BOAT"]


def test_ordinary_are_whole_pieces_learnt_before_their_capitalised_form() -> None:
    pieces = [b"", b" boat", b" Anna", b" Boat", b" anna", b" sea", b"ferry", b" mp3", b" ", b" \xc3", b" Sun"]
    assert ordinary_words(pieces) == {"boat", "sea"}


@pytest.mark.parametrize(
    ("summary", "share"),
    [
        ("", 0.0),
        ("a museum opens", 0.0),
        ("Harbour Museum opens in 2024", 0.0),
        ("Museum opens in 2025", 1.0),
        ("the Harbour Museum of Oslo opens in 2025", 2 / 4),
        ("harbour: gtk, 3 ships", 0.0),
        # The capital that begins a sentence is none of a name; one within a word is.
        ("Ships are shown. Visitors come.", 0.0),
        ("OpenGL displays", 1.0),
        ("3.5 ships", 1 / 2),
    ],
)
def test_numbers_and_names_must_stand_in_the_document(summary: str, share: float) -> None:
    assert unsupported_share(MUSEUM, summary) == pytest.approx(share)
