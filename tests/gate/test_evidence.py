import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.evaluation.significance import approximate_randomization, paired_bootstrap
from seq2sum.gate.evidence import detectable_gain, holm, is_degenerate, needed_pairs, weigh, weigh_trials
from seq2sum.gate.measures import Measures
from tests.gate.made_up import measures, params

P_VALUES = st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=5)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(values: list[float], alpha: float) -> None:
    adjusted = holm(np.array([values]))[0]
    rejected = set()
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if (len(values) - rank) * values[index] >= alpha:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(adjusted) if p < alpha} == rejected
    assert all(values[index] <= p <= 1 for index, p in enumerate(adjusted))


def test_a_comparison_has_the_numbers_of_the_tests_that_it_names() -> None:
    ours, theirs, section = measures(150, 1), measures(150, 2), params()
    evidence = weigh(ours, theirs, section)
    bootstrap = paired_bootstrap(ours.rouge, theirs.rouge, section.bootstrap_samples, section.seed)
    randomization = approximate_randomization(ours.rouge, theirs.rouge, section.bootstrap_samples, section.seed)
    gains = list(evidence.rouge.values())
    assert [gain.p_bootstrap for gain in gains] == pytest.approx(bootstrap.p)
    assert [gain.p_randomization for gain in gains] == pytest.approx(randomization.p)
    assert [gain.delta for gain in gains] == pytest.approx(bootstrap.delta)
    assert all(gain.low < gain.delta < gain.high for gain in gains)
    assert all(gain.p >= max(gain.p_bootstrap, gain.p_randomization) for gain in gains)
    drift = evidence.worsenings["length_drift"]
    assert drift.challenger == pytest.approx(abs(ours.num_words.mean() / 9 - 1))
    assert drift.delta == pytest.approx(drift.challenger - drift.champion)
    assert evidence.worsenings["repetition"].delta == pytest.approx((ours.repetition - theirs.repetition).mean())


def test_many_trials_at_once_are_weighed_as_one_by_one() -> None:
    systems = [(measures(60, seed), measures(60, seed + 50)) for seed in range(4)]

    def stacked(side: int) -> Measures:
        return Measures(
            **{name: np.stack([getattr(pair[side], name) for pair in systems]) for name in vars(systems[0][0])}
        )

    together = weigh_trials(stacked(0), stacked(1), params())
    for evidence, (ours, theirs) in zip(together, systems, strict=True):
        alone = weigh(ours, theirs, params())
        for kind, gain in alone.rouge.items():
            assert vars(evidence.rouge[kind]) == pytest.approx(vars(gain))
        for name, worse in alone.worsenings.items():
            assert vars(evidence.worsenings[name]) == pytest.approx(vars(worse))


def test_the_interval_of_a_worsening_holds_the_true_one_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        ours, theirs = measures(120, seed, unsupported=0.0), measures(120, seed + 1000)
        worse = weigh(ours, theirs, params(seed=seed)).worsenings["unsupported"]
        hits += worse.low <= -0.05 <= worse.high
    assert 0.89 <= hits / 200 <= 0.99


def test_the_detectable_gain_is_detected_with_the_stated_power() -> None:
    section = params(power=0.8)
    rng = np.random.default_rng(4)
    gain = detectable_gain(np.array(10.0), 400, section)
    z = (gain + rng.normal(0, 10 / 20, size=20_000)) / (10 / 20)
    level = section.alpha / 3
    found = float((z > -np.quantile(rng.normal(size=1_000_000), level / 2)).mean())
    assert found == pytest.approx(0.8, abs=0.02)
    pairs = needed_pairs(10.0, params(effect=float(gain)))
    assert pairs == pytest.approx(400, abs=1)


def test_degenerate_is_empty_looping_or_a_copy() -> None:
    section = params(looping=0.5, copying=0.4)
    columns = {"repetition": [0, 0.5, 0, 0.4], "copied": [0, 0, 0.4, 0.3], "num_words": [0, 5, 5, 5]}
    system = measures(4, 1, **{name: np.array(values, dtype=float) for name, values in columns.items()})
    assert is_degenerate(system, section).tolist() == [True, True, True, False]
