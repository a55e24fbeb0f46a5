"""Which pairs make which batch: a pure function of lengths, seed and epoch, so that resuming needs no sampler state."""

import numpy as np

# Pairs whose documents differ by less than this many pieces may share a batch; within it they are sorted by summary.
BUCKET_TOKENS = 8


def epoch_batches(
    source_lengths: np.ndarray, target_lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int
) -> list[np.ndarray]:
    """Indices of the pairs of each batch of one epoch, in training order; every pair exactly once.

    Pairs of like length are batched together, ties in random order, until rows × (longest source + longest target)
    would pass ``batch_tokens`` (a pair longer than that is a batch of its own); then the batches are shuffled.
    """
    rng = np.random.default_rng((seed, epoch))
    shuffled = rng.permutation(len(source_lengths))
    # The end mark makes a target one longer.
    sources, targets = source_lengths[shuffled], target_lengths[shuffled] + 1
    offset = rng.integers(BUCKET_TOKENS)
    order = np.lexsort((targets, (sources + offset) // BUCKET_TOKENS))
    batches = _cut(sources[order], targets[order], batch_tokens)
    indices = shuffled[order]
    return [indices[start:end] for start, end in (batches[which] for which in rng.permutation(len(batches)))]


def in_order_batches(source_lengths: np.ndarray, target_lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Batches for validation: by length, in one fixed order."""
    order = np.lexsort((target_lengths, source_lengths))
    bounds = _cut(source_lengths[order], target_lengths[order] + 1, batch_tokens)
    return [order[start:end] for start, end in bounds]


def _cut(sources: np.ndarray, targets: np.ndarray, batch_tokens: int) -> list[tuple[int, int]]:
    """Bounds of consecutive runs whose padded size fits ``batch_tokens``."""
    bounds = []
    start = longest_source = longest_target = 0
    for row, (source, target) in enumerate(zip(sources.tolist(), targets.tolist(), strict=True)):
        padded = (row - start + 1) * (max(longest_source, source) + max(longest_target, target))
        if row > start and padded > batch_tokens:
            bounds.append((start, row))
            start, longest_source, longest_target = row, 0, 0
        longest_source, longest_target = max(longest_source, source), max(longest_target, target)
    if len(sources):
        bounds.append((start, len(sources)))
    return bounds
