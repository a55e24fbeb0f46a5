"""The training loop, as functions over a ``Training``."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seq2sum.data.batch import Batch, make_batch
from seq2sum.data.encoded import EncodedPairs
from seq2sum.model.dropout import Noise
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.distributed import ALONE, Ranks
from seq2sum.training.loss import negative_log_likelihood
from seq2sum.training.phase import Phase, autocast
from seq2sum.training.sampler import epoch_batches, in_order_batches
from seq2sum.training.schedule import learning_rate
from seq2sum.training.sentinel import Incident, step_back, watch
from seq2sum.training.state import Training

PREFETCHED_BATCHES = 4


class Interrupted(Exception):  # noqa: N818 - not an error: the training goes on when it is started again
    """The training was asked to stop and has written a checkpoint."""


def fit(training: Training, phases: Sequence[Phase], should_stop: Callable[[], bool] = lambda: False) -> None:
    """Trains through ``phases`` from where ``training`` stands to the end; the model then has the last best weights.

    A phase ends after its steps or when its patience does, and hands its best weights on. As soon as ``should_stop``
    of any process says so, a checkpoint is written and Interrupted raised. Raises UserError if the training diverges
    or another of its processes is lost.
    """
    clock = _Clock(training)

    def check() -> None:
        if training.ranks.largest(should_stop()):
            raise Interrupted

    try:
        for phase in phases[training.progress.phase :]:
            while not _fit_phase(training, phase, clock, check):
                pass
            clock.tick()
            training.end_phase(_outcome(training, phase, check))
            training.save()
    except Interrupted:
        clock.tick()
        training.save()
        raise


def _fit_phase(training: Training, phase: Phase, clock: "_Clock", check: Callable[[], None]) -> bool:
    """Goes on with a phase; whether it has ended, or stands at a checkpoint again because of an incident."""
    params, progress = training.params, training.progress
    if progress.validation_due or (phase.validate_first and not progress.best_values):
        try:
            _validate(training, phase, check)
        except Incident as incident:
            step_back(training, incident, None)
            return False
    num_steps, is_quiet = phase.schedule.max_steps, not training.ranks.is_first
    with tqdm(
        total=num_steps, initial=progress.phase_step, unit="step", desc=phase.name, mininterval=1, disable=is_quiet
    ) as bar:
        for epoch, index, batch in _batches(phase.pairs, training):
            if progress.phase_step >= num_steps or progress.bad_validations >= params.patience:
                return True
            check()
            progress.step, progress.epoch, progress.next_batch = progress.step + 1, epoch, index + 1
            try:
                train_step(training, phase, batch)
                progress.num_tokens += batch.num_source_tokens + batch.targets.num_target_tokens
                clock.tick()
                bar.update()
                if progress.phase_step % params.log_every == 0:
                    bar.set_postfix(_report(training, phase))
                is_last = progress.phase_step == num_steps
                if phase.validate and (progress.phase_step % params.validate_every == 0 or is_last):
                    _validate(training, phase, check)
            except Incident as incident:
                step_back(training, incident, batch)
                return False
            if progress.phase_step % params.checkpoint_every == 0:
                clock.tick()
                training.save()
    raise AssertionError("batches never end")


def train_step(training: Training, phase: Phase, batch: Batch) -> None:
    """One optimizer update by the whole ``batch``, of which each process reads its share.

    Raises Incident, with the weights untouched, if the loss can't be used.
    """
    params, model, progress = training.params, training.model, training.progress
    model.zero_grad()  # here, so that gradients and what the forward pass keeps are never there at once
    share = training.ranks.share(len(batch.source.source_ids))
    generator = torch.Generator(device=training.device).manual_seed(params.seed * 2**32 + progress.step)
    noise = Noise(params.model.dropout, params.model.variational_dropout, generator, share)
    with autocast(training.device, training.precision):
        outcome = phase.objective(model, batch.part(share).to(training.device), noise)
    (outcome.loss * share.weight).backward()  # type: ignore[no-untyped-call]
    loss, total = (value.detach().to(outcome.loss) * share.weight for value in (outcome.loss, outcome.total))
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    training.ranks.add_up([*gradients, loss, total])
    gradient_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
    watch(training, loss.item(), gradient_norm.item())
    schedule = phase.schedule
    rate = learning_rate(progress.phase_step, schedule.learning_rate, schedule.warmup_steps, schedule.max_steps)
    training.optimizer.rate = rate * progress.rate_scale
    training.optimizer.step()
    training.average.update(model, progress.phase_step)
    progress.recent_total += total.item()
    progress.recent_count += outcome.num_parts


def _validate(training: Training, phase: Phase, check: Callable[[], None]) -> None:
    """Measures the averaged weights and keeps them if they are the best of the phase.

    May raise Incident, or what ``check`` raises: then the validation stays due.
    """
    assert phase.validate is not None
    training.progress.validation_due = True
    with training.average.applied(training.model):
        value = phase.validate(training.model, check)
    if not math.isfinite(value):
        raise Incident(f"{phase.criterion} is {value}")
    training.journal.on_metrics(training.progress.step, phase.name, {phase.criterion: value})
    training.keep_best(value, phase.higher_is_better)
    training.progress.validation_due = False


def _outcome(training: Training, phase: Phase, check: Callable[[], None]) -> list[Tensor]:
    """The mean of the phase's best weights, or the best where the mean is worse; unvalidated, the last average."""
    best = training.best_weights
    if not best or phase.validate is None:
        return training.average.weights
    if len(best) == 1:
        return best[0]
    mean = [torch.stack(weights).mean(dim=0) for weights in zip(*best, strict=True)]
    training.average.set(mean)
    with training.average.applied(training.model):
        value = phase.validate(training.model, check)
    training.journal.on_metrics(training.progress.step, phase.name, {f"{phase.criterion}_of_mean": value})
    best_value = training.progress.best_values[0]
    is_no_worse = value >= best_value if phase.higher_is_better else value <= best_value
    return mean if is_no_worse else best[0]


@torch.no_grad()
def validation_loss(
    model: SummarizerModel,
    pairs: EncodedPairs,
    batch_tokens: int,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    ranks: Ranks = ALONE,
    check: Callable[[], None] = lambda: None,
) -> float:
    """Mean negative log likelihood per target token over all ``pairs``, without dropout or smoothing.

    Each of the ``ranks`` reads its share. ``check`` is called between batches.
    """
    total, num_targets = 0.0, 0
    for indices in in_order_batches(pairs.source_lengths, pairs.target_lengths, batch_tokens):
        check()
        mine = ranks.mine(indices)
        if not len(mine):
            continue
        batch = make_batch(pairs.sources(mine), pairs.targets(mine)).to(device)
        source, targets = batch.source, batch.targets
        with autocast(device, precision):
            memory = model.encode(source.source_ids, source.source_lengths, source.source_mask)
            decoded = model.decode(memory, targets.target_in)
            loss = negative_log_likelihood(model, source, targets, decoded)
        total, num_targets = total + loss.item(), num_targets + targets.num_target_tokens
    return ranks.total(total) / ranks.total(num_targets)


def _report(training: Training, phase: Phase) -> dict[str, str]:
    """Writes the journal lines of this step; returns what the progress bar shows."""
    progress = training.progress
    value = progress.recent_total / progress.recent_count
    progress.recent_total, progress.recent_count = 0.0, 0
    speed = progress.num_tokens / progress.wall_seconds
    measured = {phase.measure: value, "train/learning_rate": training.optimizer.rate}
    training.journal.on_metrics(progress.step, phase.name, measured)
    pace = {"pace/tokens_per_second": speed, "pace/elapsed_seconds": progress.wall_seconds}
    training.pace.on_metrics(progress.step, phase.name, pace)
    return {phase.measure.removeprefix("train/"): f"{value:.3f}", "tokens/s": f"{speed:,.0f}"}


class _Clock:
    """Adds the time since the last tick to a training's own, which goes on over interruptions."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._last = time.perf_counter()

    def tick(self) -> None:
        now = time.perf_counter()
        self._training.progress.wall_seconds += now - self._last
        self._last = now


def _batches(pairs: EncodedPairs, training: Training) -> Iterator[tuple[int, int, Batch]]:
    """Endless (epoch, index in it, batch) from where ``training`` stands, made ahead by a thread."""
    params, progress = training.params, training.progress

    def make(indices: np.ndarray) -> Batch:
        return make_batch(pairs.sources(indices), pairs.targets(indices))

    ahead: deque[tuple[int, int, Future[Batch]]] = deque()
    epoch, first = progress.epoch, progress.next_batch
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        while True:
            batches = epoch_batches(pairs.source_lengths, pairs.target_lengths, params.batch_tokens, params.seed, epoch)
            for index in range(first, len(batches)):
                ahead.append((epoch, index, pool.submit(make, batches[index])))
                if len(ahead) > PREFETCHED_BATCHES:
                    ready_epoch, ready_index, ready = ahead.popleft()
                    yield ready_epoch, ready_index, ready.result()
            epoch, first = epoch + 1, 0
