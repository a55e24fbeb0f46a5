import itertools

import numpy as np
import pytest
import scipy.stats

from seq2sum.evaluation import significance
from seq2sum.evaluation.significance import approximate_randomization, bootstrap_interval, paired_bootstrap

TESTS = pytest.mark.parametrize("test", [paired_bootstrap, approximate_randomization])


def test_the_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    experiments = rng.exponential(30, size=(400, 200))  # skewed, mean 30
    intervals = [bootstrap_interval(scores, 400, seed) for seed, scores in enumerate(experiments)]
    share = np.mean([interval.low <= 30 <= interval.high for interval in intervals])
    assert 0.91 < share < 0.98  # three standard deviations about 0.945


def test_the_interval_is_scipys() -> None:
    scores = np.random.default_rng(2).beta(0.5, 2, size=300) * 100
    ours = bootstrap_interval(scores, 20_000, seed=3)
    theirs = scipy.stats.bootstrap((scores,), np.mean, n_resamples=20_000, method="percentile", rng=4)
    assert ours.mean == pytest.approx(scores.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.1)


def test_the_interval_of_few_pairs() -> None:
    assert bootstrap_interval(np.array([7.0]), 50, seed=1) == pytest.approx((7.0, 7.0, 7.0))
    # Of the 4 draws of {0, 10} one has mean 0, one 10: both are inside a 95 % interval.
    assert bootstrap_interval(np.array([0.0, 10.0]), 4_000, seed=1) == pytest.approx((5.0, 0.0, 10.0))


def test_columns_are_judged_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    scores, baseline = rng.normal(size=(2, 50, 3))
    for test in (paired_bootstrap, approximate_randomization):
        together = test(scores, baseline, 500, seed=6)
        alone = [test(scores[:, column], baseline[:, column], 500, seed=6) for column in range(3)]
        np.testing.assert_allclose(together.delta, [comparison.delta for comparison in alone])
        np.testing.assert_allclose(together.p, [comparison.p for comparison in alone])


def test_chunks_cover_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(significance, "_CHUNK_DRAWS", 90)  # four samples of 20 pairs at a time
    assert significance.resampled_means(np.ones(20), 11, seed=1).tolist() == pytest.approx([1.0] * 11)
    # 2 of the 2^20 swappings are as large as +1 everywhere, so none of 11 is.
    assert approximate_randomization(np.ones(20), np.zeros(20), 11, seed=1).p == pytest.approx(1 / 12)


def test_paired_bootstrap_counts_as_the_enumeration_of_all_test_sets() -> None:
    differences = np.array([3.0, -1.0, 0.5, 2.0])
    means = np.array([np.mean(drawn) for drawn in itertools.product(differences, repeat=4)])
    exact = 2 * min((means <= 0).mean(), (means >= 0).mean())
    p = paired_bootstrap(differences, np.zeros(4), 40_000, seed=7).p
    assert p == pytest.approx(exact, abs=0.01)


def test_randomization_counts_as_the_enumeration_of_all_swappings() -> None:
    differences = np.array([3.0, -1.0, 0.5, 2.0, 4.0, -0.5])
    sums = [abs(sum(swapped)) for swapped in itertools.product(*((d, -d) for d in differences))]
    exact = np.mean([total >= abs(differences.sum()) - 1e-9 for total in sums])
    p = approximate_randomization(differences, np.zeros(6), 40_000, seed=7).p
    assert p == pytest.approx(exact, abs=0.01)
    peer = scipy.stats.permutation_test(
        (differences, np.zeros(6)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert exact == pytest.approx(peer.pvalue)


@TESTS
def test_p_is_uniform_where_the_systems_do_not_differ(test) -> None:
    rng = np.random.default_rng(8)
    found = [test(*rng.normal(50, 10, size=(2, 100)), 300, seed).p for seed in range(400)]
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.001


@TESTS
def test_a_clear_difference_has_the_least_p(test) -> None:
    rng = np.random.default_rng(9)
    baseline = rng.normal(50, 10, size=200)
    better = test(baseline + rng.normal(5, 5, size=200), baseline, 999, seed=1)
    assert better.delta == pytest.approx(5, abs=1)
    assert better.p == pytest.approx(0.002 if test is paired_bootstrap else 0.001)


@TESTS
def test_exchanging_the_systems_turns_the_sign_alone(test) -> None:
    rng = np.random.default_rng(10)
    first, second = rng.normal(50, 10, size=(2, 80))
    there, back = test(first, second, 500, seed=2), test(second, first, 500, seed=2)
    assert there.delta == pytest.approx(-back.delta)
    assert there.p == back.p
    assert 0 < there.p <= 1


@TESTS
def test_a_system_does_not_differ_from_itself(test) -> None:
    scores = np.random.default_rng(11).normal(size=30)
    assert test(scores, scores.copy(), 100, seed=3) == (0.0, 1.0)


@TESTS
def test_the_seed_decides(test) -> None:
    rng = np.random.default_rng(12)
    first, second = rng.normal(size=(2, 40))
    assert test(first, second, 500, seed=4) == test(first, second, 500, seed=4)
    assert len({float(test(first, second, 500, seed=seed).p) for seed in range(6)}) > 1


@TESTS
def test_scores_of_other_pairs_are_refused(test) -> None:
    with pytest.raises(ValueError, match="same pairs"):
        test(np.zeros(3), np.zeros(1), 10, seed=1)
