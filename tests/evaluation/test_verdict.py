from typing import Any

import pytest

from seq2sum.evaluation.verdict import verdict


def report(delta: float = -1.0, p: float = 0.5, oracle: float = 50.0, **train: float) -> dict[str, Any]:
    return {
        "paired": {"rouge1": {"delta": delta, "p": p}},
        "best_lead": "first_sentence",
        "systems": {"first_sentence": {"rouge1": [30.0, 29.0, 31.0]}, "oracle": {"rouge1": [oracle, 0.0, 99.0]}},
        "unread_share": 0.0,
        "train": {"num_train_pairs": 20_000, "passes": 12.0, "cut_share": 0.0, **train},
    }


def test_a_significant_gain_is_told_with_its_numbers():
    assert verdict(report(delta=6.4, p=0.001)) == (
        "The model is better than the first words of its documents: +6.40 ROUGE-1 against the best lead baseline "
        "(first sentence), p = 0.001."
    )


@pytest.mark.parametrize(("delta", "p"), [(0.3, 0.2), (-5.0, 0.001), (0.0, 1.0)])
def test_no_significant_gain_is_told_as_plainly(delta, p):
    assert "NOT shown to be better" in verdict(report(delta=delta, p=p))


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"num_train_pairs": 1_980}, "1,980 training pairs are few"),
        ({"passes": 1.2}, "read the pairs 1.2 times; raise train.max_steps"),
        ({"cut_share": 0.43}, "43% of the documents were cut before their end; raise encode.max_source_tokens"),
        ({"oracle": 31.0}, "score only 1.0 ROUGE-1 more than its first words"),
    ],
)
def test_each_cause_is_named_where_it_applies_and_only_there(facts, cause):
    lines = verdict(report(**facts)).splitlines()[2:]
    assert len(lines) == 1
    assert cause in lines[0]


def test_references_in_a_script_that_rouge_does_not_read_are_told_before_all_else():
    for delta, p in ((0.0, 1.0), (5.0, 0.001)):
        first, *rest = verdict({**report(delta=delta, p=p), "unread_share": 0.97}).splitlines()
        assert "97% of the references' words" in first
        assert "evaluate.rouge.tokenizer" in first
        assert "risk_tokenizer" in first
        assert "\n".join(rest) == verdict(report(delta=delta, p=p))


def test_where_no_number_tells_the_cause_it_says_so():
    assert "look at reports/samples.jsonl" in verdict(report())
