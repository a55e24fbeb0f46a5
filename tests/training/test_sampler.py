import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.training.sampler import epoch_batches, in_order_batches

lengths = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=80)


@settings(deadline=None)
@given(pairs=lengths, batch_tokens=st.integers(1, 400), epoch=st.integers(0, 5))
def test_every_pair_comes_once_an_epoch_and_batches_fit_the_budget(pairs, batch_tokens, epoch):
    sources, targets = np.array(pairs).T
    for batches in (
        epoch_batches(sources, targets, batch_tokens, seed=1, epoch=epoch),
        in_order_batches(sources, targets, batch_tokens),
    ):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
        for batch in batches:
            padded = len(batch) * (sources[batch].max() + targets[batch].max() + 1)
            assert padded <= batch_tokens or len(batch) == 1


def test_order_depends_on_seed_and_epoch_alone():
    sources, targets = np.random.default_rng(0).integers(1, 50, (2, 500))

    def order(seed, epoch):
        return [batch.tolist() for batch in epoch_batches(sources, targets, 600, seed, epoch)]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_little_of_a_batch_is_padding():
    rng = np.random.default_rng(0)
    sources, targets = rng.integers(10, 200, 5000), rng.integers(3, 20, 5000)
    batches = epoch_batches(sources, targets, 4000, seed=1, epoch=0)
    padded = sum(len(batch) * (sources[batch].max() + targets[batch].max() + 1) for batch in batches)
    assert (sources.sum() + targets.sum() + len(targets)) / padded > 0.9
