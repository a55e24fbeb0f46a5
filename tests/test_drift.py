import numpy as np
import pytest

from seq2sum.data.tokenizer import Tokenizer
from seq2sum.drift import (
    EMBEDDING,
    MEASURES,
    NO_CONTENTS,
    VOCABULARY,
    Contents,
    Profile,
    embedding_shift,
    measure_pairs,
    shifts,
    vocabulary_shift,
)

ENGLISH = ["The ferry leaves at noon and comes back before dark.", "A baker counts loaves; the mill counts sacks."]


def made_up(num_rows: int, seed: int, **moved: float) -> Profile:
    rng = np.random.default_rng(seed)
    return Profile({name: rng.normal(moved.get(name, 0.0), 1.0, num_rows) for name in MEASURES}, NO_CONTENTS)


def made_up_contents(num_documents: int, seed: int, frequencies: np.ndarray) -> Contents:
    """Documents of 5 to 60 pieces of a topic of their own; a vector of each piece's, averaged."""
    rng = np.random.default_rng(seed)
    vectors = np.random.default_rng(0).normal(size=(len(frequencies), 8))
    rows = []
    for _ in range(num_documents):
        topic = frequencies * (rng.random(len(frequencies)) < 0.1)
        rows.append(rng.choice(len(frequencies), rng.integers(5, 60), p=topic / topic.sum()))
    return Contents(rows, np.stack([vectors[row].mean(axis=0) for row in rows]))


def zipf(num_pieces: int) -> np.ndarray:
    return 1 / np.arange(1, num_pieces + 1)


def test_the_measures_of_a_pair_are_what_their_names_say():
    tokenizer = Tokenizer.train(ENGLISH, vocab_size=300, min_frequency=2)
    documents = ["The mill counts sacks", "Zwölf Boxkämpfer jagen Viktor"]
    found = measure_pairs(documents, ["mill sacks", "one two one two"], tokenizer)
    assert found["document_words"].tolist() == [4, 4]
    assert found["summary_words"].tolist() == [2, 4]
    assert found["copy_rate"].tolist() == [1, 0]
    # "one two" of three bigrams stands there already.
    assert found["repeated_bigrams"].tolist() == pytest.approx([0, 1 / 3])
    assert found["pieces_per_word"][1] > 2 * found["pieces_per_word"][0]


def test_only_what_moved_has_drifted():
    found = {shift.measure: shift for shift in shifts(made_up(800, 1), made_up(400, 2, copy_rate=1.0), 0.01, 0.2, 1)}
    assert [name for name, shift in found.items() if shift.drifted] == ["copy_rate"]
    assert found["copy_rate"].now - found["copy_rate"].before == pytest.approx(1, abs=0.2)


def test_many_rows_do_not_make_a_small_difference_a_drift_nor_few_rows_a_large_one():
    small = shifts(made_up(20_000, 3), made_up(20_000, 4, copy_rate=0.2), 0.01, 0.2, 1)
    assert min(shift.p for shift in small) < 1e-6
    assert not any(shift.drifted for shift in small)
    few = shifts(made_up(800, 5), made_up(4, 6), 0.01, 0.2, 1)
    assert max(shift.distance for shift in few) > 0.3
    assert not any(shift.drifted for shift in few)


def test_the_same_distribution_seldom_drifts():
    false = sum(
        any(shift.drifted for shift in shifts(made_up(300, 2 * seed), made_up(100, 2 * seed + 1), 0.05, 0.0, 1))
        for seed in range(200)
    )
    # At a family-wise level of 5 %: 10 of 200 expected, 20 and more once in a thousand times.
    assert false < 20


def drifted_contents(before: Contents, now: Contents, seed: int) -> list[str]:
    one, other = made_up(300, 2 * seed), made_up(100, 2 * seed + 1)
    found = shifts(one._replace(contents=before), other._replace(contents=now), 0.05, 0.0, seed)
    return [shift.measure for shift in found if shift.drifted]


def test_halves_of_one_corpus_seldom_drift_though_their_pieces_differ():
    frequencies, false = zipf(600), 0
    for seed in range(20):
        corpus = made_up_contents(120, seed, frequencies)
        halves = [Contents(corpus.pieces[part], corpus.embeddings[part]) for part in (slice(80), slice(80, 120))]
        false += bool(drifted_contents(*halves, seed))
    # At a family-wise level of 5 %: 1 of 20 expected, more than 5 once in three thousand times.
    assert false <= 5


def test_other_words_are_a_drift_even_where_lengths_and_rates_stay():
    frequencies = zipf(600)
    before = made_up_contents(200, 1, frequencies)
    now = made_up_contents(60, 2, np.roll(frequencies, 100))
    assert drifted_contents(before, now, 4) == [VOCABULARY, EMBEDDING]


def test_the_distances_are_about_a_fifth_where_all_moved_by_half_a_deviation():
    rng = np.random.default_rng(5)
    before, now = rng.normal(0, 1, (400, 16)), rng.normal(0.5, 1, (400, 16))
    far, p = embedding_shift(before, now, rng)
    assert 0.15 < far < 0.3
    assert p < 0.001
    bins = [np.digitize(numbers[:, :4], np.linspace(-3, 3, 40)) for numbers in (before, now)]
    far, p = vocabulary_shift(list(bins[0]), list(bins[1]), rng)
    assert 0.15 < far < 0.3
    assert p < 0.001


def test_the_distances_have_their_ends():
    rng = np.random.default_rng(6)
    apart = vocabulary_shift([np.array([1, 2, 2])] * 30, [np.array([3, 4])] * 30, rng)
    assert apart[0] > 0.95
    same = vocabulary_shift([np.array([1, 2])] * 30, [np.array([2, 1])] * 30, rng)
    assert same == (0.0, 1.0)
    points = rng.normal(size=(40, 3))
    far = embedding_shift(points, points + 1e3, rng)
    assert far[0] > 0.99
    # Two clouds of one point each that is the same.
    assert embedding_shift(np.ones((20, 3)), np.ones((20, 3)), rng)[1] == 1.0


def test_few_rows_are_sampled_to_the_same_each_time_and_many_to_a_limit():
    contents = made_up_contents(700, 7, zipf(600))
    one, two = (contents.sample(np.random.default_rng(1)) for _ in range(2))
    assert len(one.pieces) == 500 == len(one.embeddings)
    assert (one.embeddings == two.embeddings).all()
