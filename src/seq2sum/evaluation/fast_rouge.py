"""ROUGE in bulk, for rewards: rouge-score-rs gives rouge-score's numbers (a test compares them) much faster."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

REWARD_TYPES = ("rouge1", "rouge2", "rougeL")


class RougeReward:
    """The mean F1, 0 to 1, of ROUGE-1, 2 and L of whole texts.

    ``tokenizer``: `rouge`, the reference with Porter's stemmer, or `unicode`, for words of any script (UAX #29).
    """

    def __init__(self, tokenizer: Literal["rouge", "unicode"]) -> None:
        from rouge_score_rs import RougeScorer
        from rouge_score_rs.tokenizers import DefaultTokenizer, UnicodeTokenizer

        words: Any = (
            UnicodeTokenizer if tokenizer == "unicode" else functools.partial(DefaultTokenizer, use_stemmer=True)
        )
        scorer: Any = RougeScorer
        self._scorer = scorer(REWARD_TYPES, tokenizer=words())

    def __call__(self, hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
        """The reward of each hypothesis, shape (hypotheses,)."""
        scores = self._scorer.score_batch(list(references), list(hypotheses))
        table = np.array([[score[kind].fmeasure for kind in REWARD_TYPES] for score in scores], dtype=np.float64)
        means: NDArray[np.float64] = table.reshape(-1, len(REWARD_TYPES)).mean(axis=1)
        return means
