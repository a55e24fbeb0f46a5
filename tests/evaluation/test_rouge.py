import importlib.metadata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from seq2sum.data.overlap import sentences
from seq2sum.errors import UserError
from seq2sum.evaluation import workers
from seq2sum.evaluation.rouge import (
    ROUGE_TYPES,
    RougeScores,
    metric_signature,
    require_comparable,
    rouge_tokenizer,
    score_pairs,
    score_systems,
    unread_share,
)
from tests.evaluation.texts import PLAIN, PORTER, UNICODE, make_pairs


def test_scores_are_those_of_the_reference_library() -> None:
    hypotheses, references = make_pairs(60)
    ours = score_pairs(hypotheses, references, PORTER, num_workers=1)
    peer = RougeScorer(ROUGE_TYPES, use_stemmer=True)
    for index, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        theirs = peer.score("\n".join(sentences(reference)), "\n".join(sentences(hypothesis)))
        for kind in ROUGE_TYPES:
            assert ours.values[kind][index] == pytest.approx(100 * theirs[kind].fmeasure, abs=1e-12)


def test_a_case_counted_by_hand() -> None:
    # Shared: the, cat, sat (3 of 4 and 3 of 6 words); "the cat", "cat sat" (2 of 3 and 2 of 5 bigrams).
    scores = score_pairs(["the cat sat down"], ["the cat sat on a mat"], PLAIN, num_workers=1)
    assert scores.means() == pytest.approx({"rouge1": 60.0, "rouge2": 50.0, "rougeL": 60.0, "rougeLsum": 60.0})


def test_lsum_matches_sentences_in_any_order_and_l_does_not() -> None:
    scores = score_pairs(["Boats trade. The river rises."], ["The river rises. Boats trade."], PLAIN, num_workers=1)
    assert scores.means()["rougeLsum"] == pytest.approx(100)
    assert scores.means()["rougeL"] == pytest.approx(60)


def test_stemming_joins_forms_of_a_word_only_if_asked_for() -> None:
    def rouge1(params):
        return score_pairs(["mills running"], ["mill runs"], params, num_workers=1).means()["rouge1"]

    assert rouge1(PORTER) == rouge1(UNICODE) == pytest.approx(100)
    assert rouge1(PLAIN) == 0


@settings(deadline=None)
@given(st.text())
def test_remembering_chunks_changes_no_token(text: str) -> None:
    assert rouge_tokenizer(PORTER).tokenize(text) == DefaultTokenizer(use_stemmer=True).tokenize(text)


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_the_unicode_tokenizer_equals_the_reference_on_ascii(text: str) -> None:
    assert rouge_tokenizer(UNICODE).tokenize(text) == DefaultTokenizer(use_stemmer=True).tokenize(text)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "rouge1"),
    [
        ("Река поднялась", "река упала", 50.0),  # Cyrillic, by word
        ("नदी का पानी", "नदी की धारा", 100 / 3),  # Devanagari: vowel signs are part of the word
        ("河水上涨", "河水下降", 50.0),  # Han, by character
    ],
)
def test_other_scripts_count_with_the_unicode_tokenizer_alone(hypothesis: str, reference: str, rouge1: float) -> None:
    assert score_pairs([hypothesis], [reference], UNICODE, num_workers=1).means()["rouge1"] == pytest.approx(rouge1)
    assert score_pairs([hypothesis], [reference], PORTER, num_workers=1).means()["rouge1"] == 0


def test_an_empty_summary_scores_nothing() -> None:
    scores = score_pairs(["", "--", "a"], ["some words", "some words", ""], PORTER, num_workers=1)
    assert not scores.table().any()


def test_worker_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hypotheses, references = make_pairs(120)
    alone = score_pairs(hypotheses, references, PORTER, num_workers=1)
    monkeypatch.setattr(workers, "CHUNK_ITEMS", 20)
    monkeypatch.setattr(workers, "WORTH_SECONDS", 0.0)
    together = score_pairs(hypotheses, references, PORTER, num_workers=2)
    np.testing.assert_array_equal(together.table(), alone.table())


def test_words_of_another_script_are_those_that_rouge_does_not_read() -> None:
    texts = ["Новый мост open", "!? …"]
    assert unread_share(texts, PORTER) == pytest.approx(2 / 3)
    assert unread_share(texts, UNICODE) == 0.0
    assert unread_share([], PORTER) == 0.0


def test_systems_scored_together_score_as_alone() -> None:
    documents, references = make_pairs(20)
    systems = {"whole": documents, "reference": references}
    together = score_systems(systems, references, PORTER, num_workers=1)
    for name, hypotheses in systems.items():
        alone = score_pairs(hypotheses, references, PORTER, num_workers=1)
        np.testing.assert_array_equal(together[name].table(), alone.table())
    np.testing.assert_allclose(together["reference"].table(), 100)


def test_the_signature_names_all_that_a_score_depends_on() -> None:
    version = importlib.metadata.version("rouge-score")
    expected = f"rouge-score:{version}|stemmer:porter|tokenizer:rouge|lsum:newline-sentences|f1x100"
    assert metric_signature(PORTER) == expected
    assert len({metric_signature(params) for params in (PORTER, PLAIN, UNICODE)}) == 3


def test_scores_of_different_metrics_are_not_compared() -> None:
    values = {kind: np.zeros(3) for kind in ROUGE_TYPES}
    first, second = (RougeScores(metric_signature(params), values) for params in (PORTER, PLAIN))
    with pytest.raises(UserError, match=r"stemmer:porter[^$]*stemmer:none"):
        require_comparable(first, second)
    require_comparable(first, first)


def test_scores_of_different_numbers_of_pairs_are_not_compared() -> None:
    first, second = (RougeScores("s", {kind: np.zeros(size) for kind in ROUGE_TYPES}) for size in (3, 4))
    with pytest.raises(UserError, match="3 and 4 pairs"):
        require_comparable(first, second)
