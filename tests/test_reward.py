import numpy as np
import pytest

from seq2sum.config import RewardParams
from seq2sum.reward import ExpectedReward
from tests.training.test_trainer import Letters, share_of_right_letters

PARAMS = RewardParams(
    max_steps=1,
    learning_rate=0.1,
    warmup_steps=0,
    num_samples=2,
    max_tokens=3,
    likelihood_weight=0.25,
    tokenizer="rouge",
)
# Two documents, each with its reference and two samples; the end is a piece more. The second sample was cut.
ROWS = [np.arange(length) for length in (2, 1, 3, 0, 2, 2)]
REWARDS = np.array([[0.8, 0.2], [0.5, 0.5]])


def weights_by_row() -> list[np.ndarray]:
    objective = ExpectedReward(Letters(), PARAMS, share_of_right_letters)
    weights = objective._token_weights(REWARDS, ROWS)
    return np.split(weights, np.cumsum([len(row) + 1 for row in ROWS])[:-1])


def test_references_share_their_weight_over_their_pieces():
    first, _, _, second, _, _ = weights_by_row()
    np.testing.assert_allclose(np.concatenate([first, second]), 0.25 / 4, rtol=1e-6)


def test_a_sample_is_weighed_by_what_it_is_better_than_the_others_of_its_document():
    _, better, worse, _, *equal = weights_by_row()
    # 2 + 4 + 3 + 3 pieces of samples; the baseline of one is the other.
    np.testing.assert_allclose(better, 0.75 * 0.6 / 12, rtol=1e-6)
    np.testing.assert_allclose(worse[:-1], 0.75 * -0.6 / 12, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(equal), 0.0)


def test_the_end_of_a_sample_that_was_cut_was_not_drawn():
    assert weights_by_row()[2][-1] == 0.0


def test_the_reward_sees_text():
    objective = ExpectedReward(Letters(), PARAMS, share_of_right_letters)
    rewards = objective._rewards([[np.array([1, 2]), np.array([1, 3])]], [np.array([1, 2])])
    assert rewards.tolist() == [[1.0, pytest.approx(0.5)]]
