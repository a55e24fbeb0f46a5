import itertools
import time
from collections import Counter

import numpy as np
import pytest

from seq2sum.data.overlap import sentences
from seq2sum.evaluation import baselines
from seq2sum.evaluation.baselines import (
    best_num_lead_words,
    first_sentence,
    lead_words,
    oracle_extract,
    oracle_sentences,
    random_sentences,
)
from seq2sum.evaluation.rouge import rouge_tokenizer, score_pairs
from tests.evaluation.texts import PLAIN, PORTER, make_pairs

TOKENIZER = rouge_tokenizer(PLAIN)


def test_lead_words_are_the_first_ones() -> None:
    assert lead_words("  one two\nthree  four ", 3) == "one two three"
    assert lead_words("one two", 3) == "one two"
    assert lead_words("", 3) == ""


def test_the_lead_length_is_the_best_of_all_by_rouge1() -> None:
    documents, references = make_pairs(40)
    longest = max(len(document.split()) for document in documents)
    means = [
        score_pairs([lead_words(document, n) for document in documents], references, PORTER, 1).means()["rouge1"]
        for n in range(1, longest + 1)
    ]
    assert best_num_lead_words(documents, references, PORTER) == 1 + int(np.argmax(means))


def test_the_shortest_of_equally_good_leads_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert best_num_lead_words(["alpha beta -- ** gamma"], ["alpha beta"], PLAIN) == 2
    monkeypatch.setattr(baselines, "MAX_LEAD_WORDS", 3)
    assert best_num_lead_words(["x x x x alpha beta"], ["alpha beta"], PLAIN) == 1


def test_first_sentence() -> None:
    assert first_sentence("The mill runs. It grinds.") == "The mill runs."
    assert first_sentence(" \n") == ""


def test_random_sentences_are_the_documents_own_drawn_evenly_by_the_seed() -> None:
    documents = ["One is here. Two is there. Three is gone.", ""] * 600
    drawn = random_sentences(documents, seed=4)
    assert drawn == random_sentences(documents, seed=4) != random_sentences(documents, seed=5)
    assert set(drawn[1::2]) == {""}
    counts = Counter(drawn[::2])
    assert set(counts) == set(sentences(documents[0]))
    assert min(counts.values()) > 150  # 200 are expected, with a standard deviation of 11.5


def test_the_oracle_takes_the_best_sentence_first_and_stops_when_none_helps() -> None:
    document = "The cat sat. A dog ran home. The cat ran. Nobody came."
    assert oracle_extract(document, "A dog ran", TOKENIZER) == "A dog ran home."
    assert oracle_extract(document, "The cat sat. Nobody came.", TOKENIZER) == "The cat sat. Nobody came."


def test_the_oracle_keeps_document_order_and_needs_some_sentence() -> None:
    document = "Boats trade. The old mill grinds. Winter comes early."
    both = "Boats trade. Winter comes early."
    assert oracle_extract(document, "Winter comes early and boats trade", TOKENIZER) == both
    assert oracle_extract(document, "nothing shared", TOKENIZER) == "Boats trade."
    assert oracle_extract(document, "", TOKENIZER) == "Boats trade."
    assert oracle_extract("", "nothing", TOKENIZER) == ""


def rouge1_plus_rouge2(extract: list[str], reference: str) -> float:
    """By counting, with bigrams within sentences."""
    total = 0.0
    for n in (1, 2):
        ours, theirs = Counter(), Counter(ngrams_of(reference, n))
        for sentence in extract:
            ours.update(ngrams_of(sentence, n))
        total += 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())
    return total


def ngrams_of(text: str, n: int) -> list[tuple[str, ...]]:
    tokens = TOKENIZER.tokenize(text)
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def test_the_oracle_is_the_greedy_search_written_out() -> None:
    documents, references = make_pairs(60, seed=7)
    for document, reference in zip(documents, references, strict=True):
        split = sentences(document)
        chosen: list[int] = []
        while True:
            left = [index for index in range(len(split)) if index not in chosen]
            scored = [(rouge1_plus_rouge2([split[i] for i in [*chosen, index]], reference), -index) for index in left]
            now = rouge1_plus_rouge2([split[i] for i in chosen], reference) if chosen else -1.0
            if not scored or max(scored)[0] <= now + 1e-9:
                break
            best = max(score for score, _ in scored)
            chosen.append(min(-negative for score, negative in scored if score > best - 1e-12))
        assert oracle_extract(document, reference, TOKENIZER) == " ".join(split[index] for index in sorted(chosen))


def test_the_oracle_beats_each_single_sentence() -> None:
    documents, references = make_pairs(30, seed=9)
    for document, reference, extract in zip(
        documents, references, oracle_sentences(documents, references, PLAIN, num_workers=1), strict=True
    ):
        singles = [rouge1_plus_rouge2([sentence], reference) for sentence in sentences(document)]
        assert rouge1_plus_rouge2(sentences(extract), reference) >= max(singles) - 1e-12


def test_the_oracle_bears_a_document_of_thousands_of_sentences() -> None:
    numbers = itertools.count()
    document = " ".join(f"Thing {next(numbers)} stands beside thing {next(numbers)}." for _ in range(2_000))
    reference = " ".join(f"Thing {number} stands." for number in range(0, 4_000, 100))
    started = time.process_time()
    extract = oracle_extract(document, reference, TOKENIZER)
    assert time.process_time() - started < 10  # it takes a fraction of a second
    assert "Thing 3900 stands beside thing 3901." in extract
