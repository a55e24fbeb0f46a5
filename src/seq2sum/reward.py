"""Training on the metric itself: joins tokenizer, model, sampling and a reward, for the trainer's last phase.

Shapes: B documents, K drawn summaries of each.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seq2sum.config import RewardParams
from seq2sum.data.batch import Batch, Targets, make_source, make_targets
from seq2sum.data.encoded import EncodedPairs
from seq2sum.data.tokenizer import PAD, Tokenizer
from seq2sum.drawing import CHOICES, Ids, draw_summaries, greedy_summaries
from seq2sum.model.dropout import Noise
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.distributed import ALONE, Ranks
from seq2sum.training.loss import negative_log_likelihood
from seq2sum.training.phase import Outcome, Phase
from seq2sum.training.sampler import in_order_batches

# Padded tokens of a batch of validation; the result does not change with it.
BATCH_TOKENS = 16_000

# Hypotheses and references → a number for each hypothesis, the higher the better.
Reward = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]


class ExpectedReward:
    """Policy gradient (Williams 1992) with the other drawn summaries of a document as the baseline of each.

    This is self-critical training (Rennie et al. 2017) with the mean of the other samples in place of the greedy
    summary's reward (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free"), mixed with the likelihood
    of the reference as in Paulus et al. (2018, eq. 16). The encoder reads a document once: its memory serves the
    drawing and, in one teacher-forced pass, the reference and all samples. There is no dropout: the gradient is that
    of the network that drew.
    """

    def __init__(self, tokenizer: Tokenizer, params: RewardParams, reward: Reward, ranks: Ranks = ALONE) -> None:
        self._tokenizer = tokenizer
        self._params = params
        self._reward = reward
        self._ranks = ranks

    def __call__(self, model: SummarizerModel, batch: Batch, noise: Noise) -> Outcome:
        """The weighted loss of references and samples; totals the samples' rewards."""
        source, device = batch.source, batch.source.source_ids.device
        memory = model.encode(source.source_ids, source.source_lengths, source.source_mask)
        references = _rows_of(batch.targets)
        shape = (self._params.max_tokens, noise.share.num_rows, self._params.num_samples, CHOICES)
        uniforms = torch.rand(shape, generator=noise.generator, device=device)
        drawn = draw_summaries(model, memory, noise.share.take(uniforms, dim=1))
        rewards = self._rewards(drawn, references)
        rows = [row for reference, samples in zip(references, drawn, strict=True) for row in (reference, *samples)]
        targets = make_targets(rows).to(device)
        weights = torch.from_numpy(self._token_weights(rewards, rows, noise.share.weight)).to(device)
        decoded = model.decode(memory, targets.target_in)
        loss = negative_log_likelihood(model, source, targets, decoded, row_weights=weights)
        return Outcome(loss, torch.tensor(rewards.sum()), noise.share.num_rows * self._params.num_samples)

    def _rewards(self, drawn: list[list[Ids]], references: list[Ids]) -> NDArray[np.float64]:
        """The reward of each drawn summary, [B, K]."""
        hypotheses = [self._tokenizer.decode(row) for samples in drawn for row in samples]
        texts = [text for row in references for text in [self._tokenizer.decode(row)] * self._params.num_samples]
        return self._reward(hypotheses, texts).reshape(len(references), -1)

    def _token_weights(
        self, rewards: NDArray[np.float64], rows: list[Ids], counted: float = 1.0
    ) -> NDArray[np.float32]:
        """The weight of every piece of ``rows``, ends included: for each document its reference and then K samples.

        References and samples share the whole weight as the params say, and each part of it over its pieces: those of
        all processes. The rows here count ``counted`` times.
        """
        share, num_samples = self._params.likelihood_weight, self._params.num_samples
        # A sample's baseline is the mean of the others.
        advantages = (rewards - rewards.mean(axis=1, keepdims=True)) * num_samples / (num_samples - 1)
        of_row = np.concatenate([np.full((len(rewards), 1), share), (1.0 - share) * advantages], axis=1).ravel()
        lengths = np.array([len(row) + 1 for row in rows])
        is_reference = np.arange(len(rows)) % (1 + num_samples) == 0
        num_reference = self._ranks.total(counted * lengths[is_reference].sum())
        num_drawn = self._ranks.total(counted * lengths[~is_reference].sum())
        of_row /= np.where(is_reference, num_reference, num_drawn)
        of_token = np.repeat(of_row, lengths)
        # The end of a summary that was cut was not drawn.
        was_cut = ~is_reference & (lengths > self._params.max_tokens)
        of_token[np.cumsum(lengths)[was_cut] - 1] = 0.0
        return of_token.astype(np.float32)


@torch.no_grad()
def mean_reward(
    model: SummarizerModel,
    tokenizer: Tokenizer,
    pairs: EncodedPairs,
    params: RewardParams,
    reward: Reward,
    ranks: Ranks,
    check: Callable[[], None],
) -> float:
    """The mean reward of the greedy summaries of all ``pairs``, each process' share by itself.

    ``check`` is called between batches.
    """
    total = 0.0
    for indices in in_order_batches(pairs.source_lengths, pairs.target_lengths, BATCH_TOKENS):
        check()
        mine = ranks.mine(indices)
        if not len(mine):
            continue
        source = make_source(pairs.sources(mine)).to(model.embedding.weight.device)
        memory = model.encode(source.source_ids, source.source_lengths, source.source_mask)
        hypotheses = [tokenizer.decode(row) for row in greedy_summaries(model, memory, params.max_tokens)]
        total += float(reward(hypotheses, [tokenizer.decode(row) for row in pairs.targets(mine)]).sum())
    return ranks.total(total) / len(pairs)


def reward_phase(
    params: RewardParams,
    tokenizer: Tokenizer,
    pairs: EncodedPairs,
    val_pairs: EncodedPairs,
    reward: Reward,
    ranks: Ranks = ALONE,
) -> Phase:
    """The last phase of the training: its best weights are those with the best greedy summaries of ``val_pairs``."""

    def validate(model: SummarizerModel, check: Callable[[], None]) -> float:
        return mean_reward(model, tokenizer, val_pairs, params, reward, ranks, check)

    return Phase(
        name="reward",
        pairs=pairs,
        schedule=params,
        objective=ExpectedReward(tokenizer, params, reward, ranks),
        measure="train/reward",
        validate=validate,
        criterion="validation/reward",
        higher_is_better=True,
        validate_first=True,
    )


def _rows_of(targets: Targets) -> list[Ids]:
    """The ids of each row without begin and end."""
    lengths = (targets.target_out != PAD).sum(dim=1).tolist()
    return [row[: length - 1] for row, length in zip(targets.target_out.numpy(force=True), lengths, strict=True)]
