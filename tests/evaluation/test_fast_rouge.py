import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.config import RougeParams
from seq2sum.evaluation.fast_rouge import REWARD_TYPES, RougeReward
from seq2sum.evaluation.rouge import score_pairs

REWARD = RougeReward("rouge")
words = st.sampled_from(["the", "cats", "running", "runs", "e-mail", "Straße", "3.50", "naïve", "don't", "!", "用户"])
texts = st.lists(words, max_size=9).map(" ".join)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_rewards_are_the_reference_librarys_scores(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    scores = score_pairs(hypotheses, references, RougeParams(stemmer=True, tokenizer="rouge"), 1)
    expected = np.mean([scores.values[kind] for kind in REWARD_TYPES], axis=0) / 100
    np.testing.assert_allclose(REWARD(hypotheses, references), expected, atol=1e-9)


def test_other_scripts_are_rewarded_with_the_unicode_tokenizer():
    hypotheses, references = ["музей открыт", "дверь"], ["музей открыт", "музей открыт"]
    assert RougeReward("unicode")(hypotheses, references) == pytest.approx([1.0, 0.0])
    assert REWARD(hypotheses, references) == pytest.approx([0.0, 0.0])


def test_no_text_no_reward():
    assert REWARD(["", "word"], ["word", ""]).tolist() == [0.0, 0.0]
    assert REWARD([], []).shape == (0,)
