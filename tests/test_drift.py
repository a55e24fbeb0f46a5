import numpy as np
import pytest

from seq2sum.data.tokenizer import Tokenizer
from seq2sum.drift import MEASURES, measure_pairs, shifts

ENGLISH = ["The ferry leaves at noon and comes back before dark.", "A baker counts loaves; the mill counts sacks."]


def made_up(num_rows: int, seed: int, **moved: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(moved.get(name, 0.0), 1.0, num_rows) for name in MEASURES}


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
    found = {shift.measure: shift for shift in shifts(made_up(800, 1), made_up(400, 2, copy_rate=1.0), 0.01, 0.2)}
    assert [name for name, shift in found.items() if shift.drifted] == ["copy_rate"]
    assert found["copy_rate"].now - found["copy_rate"].before == pytest.approx(1, abs=0.2)


def test_many_rows_do_not_make_a_small_difference_a_drift_nor_few_rows_a_large_one():
    small = shifts(made_up(20_000, 3), made_up(20_000, 4, copy_rate=0.2), 0.01, 0.2)
    assert min(shift.p for shift in small) < 1e-6
    assert not any(shift.drifted for shift in small)
    few = shifts(made_up(800, 5), made_up(4, 6), 0.01, 0.2)
    assert max(shift.distance for shift in few) > 0.3
    assert not any(shift.drifted for shift in few)


def test_the_same_distribution_seldom_drifts():
    false = sum(
        any(shift.drifted for shift in shifts(made_up(300, 2 * seed), made_up(100, 2 * seed + 1), 0.05, 0.0))
        for seed in range(200)
    )
    # At a family-wise level of 5 %: 10 of 200 expected, 20 and more once in a thousand times.
    assert false < 20
