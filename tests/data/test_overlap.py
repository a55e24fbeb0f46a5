import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.overlap import (
    coverage_and_density,
    extractive_fragments,
    ngrams,
    novel_ngram_share,
    repetition,
    sentences,
    words,
)

# Few different words, so that drawn documents and summaries share runs and repeat themselves.
some_words = st.lists(st.sampled_from("abc"), max_size=12)
orders = st.integers(1, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat's HAT, twice.", ["the", "cat", "s", "hat", "twice"]),
        ("snake_case v2.0", ["snake", "case", "v2", "0"]),
        ("Größe ΑΒΓ жук", ["größe", "αβγ", "жук"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("caf\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}s", ["cafe\N{COMBINING ACUTE ACCENT}s"]),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}zmir", ["i\N{COMBINING DOT ABOVE}zmir"]),
        ("日本のcat猫", ["日", "本", "の", "cat", "猫"]),
        ("…—!?", []),
        ("", []),
    ],
)
def test_words_are_lower_cased_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_words_keep_every_letter_and_digit(text: str) -> None:
    kept = "".join(words(text))
    assert [c for c in kept if c.isalnum()] == [c for c in text.lower() if c.isalnum()]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_and_unicode_words_agree(text: str) -> None:
    assert words(text + " ж")[:-1] == words(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        ("Dr. A. B. Moss met the U.S. Navy. He left.", ["Dr. A. B. Moss met the U.S. Navy.", "He left."]),
        ("Pi is 3.14. See Fig. 2 now.", ["Pi is 3.14.", "See Fig. 2 now."]),
        ("He said no. Then no. 5 came.", ["He said no.", "Then no. 5 came."]),
        ('"Go away!" she said. (He went.) Gone', ['"Go away!" she said.', "(He went.)", "Gone"]),
        ("Use a tool, e.g. a saw, approx. daily. Done", ["Use a tool, e.g. a saw, approx. daily.", "Done"]),
        ("1. Cut it. 2. Glue it.", ["1. Cut it.", "2. Glue it."]),
        ("a cat sat . a dog ran .", ["a cat sat .", "a dog ran ."]),
        ("Wait... what? Yes… Then no", ["Wait... what?", "Yes…", "Then no"]),
        ("first line\nsecond line\r\n\n  third", ["first line", "second line", "third"]),
        ("今日は晴れ。明日は「雨！」かな", ["今日は晴れ。", "明日は「雨！」", "かな"]),
        ("यह एक है। यह दो है।", ["यह एक है।", "यह दो है।"]),
        (" \n\t", []),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet=st.sampled_from("aB1.!?。 \n\"'()")))
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in found)


@given(st.text())
def test_a_line_break_always_ends_a_sentence(text: str) -> None:
    assert all(len(sentence.splitlines()) == 1 for sentence in sentences(text))


@given(some_words, some_words, orders)
def test_novel_share_is_the_share_of_summary_ngrams_absent_from_the_document(
    document: list[str], summary: list[str], n: int
) -> None:
    held = [document[i : i + n] for i in range(len(document) - n + 1)]
    asked = [summary[i : i + n] for i in range(len(summary) - n + 1)]
    expected = sum(ngram not in held for ngram in asked) / len(asked) if asked else 0.0
    assert novel_ngram_share(document, summary, n) == pytest.approx(expected)


@given(some_words, orders)
def test_repetition_counts_ngrams_seen_before(summary: list[str], n: int) -> None:
    asked = [summary[i : i + n] for i in range(len(summary) - n + 1)]
    repeated = sum(asked[i] in asked[:i] for i in range(len(asked)))
    assert repetition(summary, n) == pytest.approx(repeated / len(asked) if asked else 0.0)


def test_ngrams_by_hand() -> None:
    assert ngrams(["a", "b", "a"], 2) == [("a", "b"), ("b", "a")]
    assert ngrams(["a"], 2) == []


def longest_run_at(document: list[str], summary: list[str], start: int) -> int:
    return max(
        length
        for length in range(len(summary) - start + 1)
        if any(document[i : i + length] == summary[start : start + length] for i in range(len(document) - length + 1))
        or length == 0
    )


@given(some_words, some_words)
def test_fragments_are_greedy_longest_runs(document: list[str], summary: list[str]) -> None:
    expected, start = [], 0
    while start < len(summary):
        length = longest_run_at(document, summary, start)
        if length:
            expected.append(summary[start : start + length])
        start += max(length, 1)
    assert extractive_fragments(document, summary) == expected


def test_coverage_and_density_by_hand() -> None:
    document = words("The old town hall was sold to a bank in May.")
    summary = words("Old town hall sold to bank yesterday")
    assert extractive_fragments(document, summary) == [["old", "town", "hall"], ["sold", "to"], ["bank"]]
    coverage, density = coverage_and_density(document, summary)
    assert coverage == pytest.approx(6 / 7)
    assert density == pytest.approx((9 + 4 + 1) / 7)


@given(some_words.filter(bool), some_words)
def test_a_copied_summary_is_covered_whole(summary: list[str], around: list[str]) -> None:
    document = around + summary + around
    assert coverage_and_density(document, summary) == pytest.approx((1.0, len(summary)))
    assert all(novel_ngram_share(document, summary, n) == 0 for n in (1, 2, 3))


@given(some_words, some_words)
def test_coverage_is_what_is_not_novel(document: list[str], summary: list[str]) -> None:
    coverage, density = coverage_and_density(document, summary)
    assert coverage == pytest.approx(1 - novel_ngram_share(document, summary, 1) if summary else 0.0)
    assert coverage <= density + 1e-9 or not summary


def test_words_of_composed_and_decomposed_text_have_equal_counts() -> None:
    text = "Žluťoučký kůň, übel!"
    assert len(words(unicodedata.normalize("NFD", text))) == len(words(unicodedata.normalize("NFC", text))) == 3
