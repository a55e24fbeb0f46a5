from dataclasses import replace

import numpy as np
import pytest

from seq2sum.gate.evidence import weigh
from seq2sum.gate.measures import Measures
from seq2sum.gate.verdict import Verdict, cost, decide
from tests.gate.made_up import measures, params

NUM_PAIRS = 600
CHAMPION = measures(NUM_PAIRS, 1)
BETTER = replace(CHAMPION, rouge=CHAMPION.rouge + np.random.default_rng(5).normal(3, 6, size=(NUM_PAIRS, 3)))


def judge(challenger: Measures, champion: Measures = CHAMPION, latency: float = 1.0, size: float = 1.0) -> Verdict:
    costs = {"latency": cost(latency, 1.0), "size": cost(size, 1.0)}
    return decide(weigh(challenger, champion, params()), costs, params())


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if check.outcome == "fail"]


def test_a_better_system_is_promoted_with_its_gains_as_reasons() -> None:
    verdict = judge(BETTER)
    assert verdict.decision == "promote"
    assert {check.outcome for check in verdict.checks} == {"pass"}
    assert any(reason.startswith("gain: ROUGE-1 +") for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("worse", "check"),
    [
        ({"repetition": 0.3}, "repetition"),
        ({"unsupported": 0.4}, "unsupported"),
        ({"num_words": 4.0}, "length_drift"),
        ({"num_words": 20.0}, "length_drift"),
        ({"copied": 1.0}, "degenerate"),
        ({"repetition": 0.9}, "degenerate"),
        ({"num_words": 0.0}, "degenerate"),
    ],
)
def test_no_gain_in_rouge_makes_up_for_what_got_worse(worse: dict[str, float], check: str) -> None:
    unbeatable = measures(NUM_PAIRS, 1, rouge=100.0, **worse)
    verdict = judge(unbeatable)
    assert (verdict.decision, check in failed(verdict)) == ("keep", True)
    assert any(reason.startswith(f"{check}: ") for reason in verdict.reasons)


@pytest.mark.parametrize("costs", [{"latency": 1.6}, {"size": 2.1}])
def test_too_slow_or_too_large_is_kept_out(costs: dict[str, float]) -> None:
    verdict = judge(BETTER, **costs)
    assert (verdict.decision, failed(verdict)) == ("keep", list(costs))


def test_a_length_ratio_may_come_closer_to_one_however_far() -> None:
    short = replace(CHAMPION, num_words=CHAMPION.num_words / 4)
    assert judge(BETTER, champion=short).decision == "promote"


def test_a_gain_in_one_rouge_type_does_not_pay_for_a_loss_in_another() -> None:
    verdict = judge(replace(BETTER, rouge=BETTER.rouge - [0, 6, 0]))
    assert (verdict.decision, failed(verdict)) == ("keep", ["rouge2 loss"])


def test_a_worse_system_is_not_promoted() -> None:
    verdict = judge(replace(CHAMPION, rouge=CHAMPION.rouge - 2))
    assert verdict.decision == "keep"
    assert "gain" in failed(verdict)


def test_a_test_set_that_may_miss_the_effect_is_no_ground_to_refuse() -> None:
    few = np.arange(300)
    champion = CHAMPION.rows(few)
    noise = np.random.default_rng(7).normal(0, 12, size=(300, 3))
    verdict = judge(replace(champion, rouge=champion.rouge + 0.3 + noise - noise.mean(axis=0)), champion)
    assert verdict.decision == "insufficient_data"
    (gain,) = (check for check in verdict.checks if check.name == "gain")
    assert (gain.outcome, "would have shown with probability 80%" in gain.reason) == ("undecided", True)


def test_too_few_pairs_promote_nothing_however_good() -> None:
    few = np.arange(params().min_pairs - 1)
    unbeatable = replace(CHAMPION, rouge=CHAMPION.rouge + 20).rows(few)
    verdict = judge(unbeatable, CHAMPION.rows(few))
    assert verdict.decision == "insufficient_data"
    (told,) = (reason for reason in verdict.reasons if reason.startswith("pairs: 199 test pairs, but 200"))
    assert "(promote.min_pairs): judge by a larger test split" in told


def test_a_system_does_not_take_over_from_itself() -> None:
    assert judge(CHAMPION).decision == "keep"
