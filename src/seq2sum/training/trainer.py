"""The training loop, as functions over a ``Training``."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from tqdm import tqdm

from seq2sum.config import TrainParams
from seq2sum.data.batch import Batch, make_batch
from seq2sum.data.encoded import EncodedPairs
from seq2sum.errors import UserError
from seq2sum.model.dropout import Noise
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.training.loss import negative_log_likelihood
from seq2sum.training.sampler import epoch_batches, in_order_batches
from seq2sum.training.schedule import learning_rate
from seq2sum.training.state import Progress, Training

PHASE = "likelihood"
PREFETCHED_BATCHES = 4


class Interrupted(Exception):  # noqa: N818 - not an error: the training goes on when it is started again
    """The training was asked to stop and has written a checkpoint."""


def fit(
    training: Training,
    pairs: EncodedPairs,
    validate: Callable[[SummarizerModel], float],
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Trains from where ``training`` stands to its end; the model then has its best weights.

    ``validate`` gives the loss by which the best weights are picked and training is stopped early. As soon as
    ``should_stop`` says so, a checkpoint is written and Interrupted raised. Raises UserError if the training diverges.
    """
    params, progress = training.params, training.progress
    clock = _Clock(progress)
    with tqdm(total=params.max_steps, initial=progress.step, unit="step", desc="train", mininterval=1) as bar:
        for epoch, index, batch in _batches(pairs, params, progress):
            if progress.step >= params.max_steps or progress.bad_validations >= params.patience:
                break
            if should_stop():
                training.save()
                raise Interrupted
            progress.step, progress.epoch, progress.next_batch = progress.step + 1, epoch, index + 1
            progress.recent_loss += train_step(training, batch.to(training.device))
            progress.recent_targets += batch.num_target_tokens
            progress.num_tokens += batch.num_source_tokens + batch.num_target_tokens
            clock.tick()
            bar.update()
            if progress.step % params.log_every == 0:
                bar.set_postfix(_report(training))
            if progress.step % params.validate_every == 0 or progress.step == params.max_steps:
                with training.average.applied(training.model):
                    loss = _finite(validate(training.model), progress.step)
                training.journal.on_metrics(progress.step, PHASE, {"validation/loss": loss})
                training.keep_best(loss)
            if progress.step % params.checkpoint_every == 0:
                clock.tick()
                training.save()
    training.save()
    training.restore_best()


def train_step(training: Training, batch: Batch) -> float:
    """One optimizer update; returns the summed loss of the batch's target tokens.

    Raises UserError if that is no finite number.
    """
    params, model, step = training.params, training.model, training.progress.step
    generator = torch.Generator(device=training.device).manual_seed(params.seed * 2**32 + step)
    noise = Noise(params.model.dropout, generator)
    source = batch.source
    memory = model.encode(source.source_ids, source.source_lengths, source.source_mask, noise)
    decoded = model.decode(memory, batch.target_in, noise)
    loss = negative_log_likelihood(model, batch, decoded, params.label_smoothing)
    training.optimizer.zero_grad(set_to_none=True)
    (loss / batch.num_target_tokens).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
    for group in training.optimizer.param_groups:
        group["lr"] = learning_rate(step, params.learning_rate, params.warmup_steps, params.max_steps)
    training.optimizer.step()
    training.average.update(model, step)
    return _finite(loss.item(), step)


def _finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise UserError(
            f"the training has diverged: at step {step:,} the loss is {loss}. "
            "Lower train.learning_rate or train.clip_norm in params.yaml, or raise train.warmup_steps."
        )
    return loss


@torch.no_grad()
def validation_loss(model: SummarizerModel, pairs: EncodedPairs, batch_tokens: int, device: torch.device) -> float:
    """Mean negative log likelihood per target token over all ``pairs``, without dropout or smoothing."""
    total, num_targets = 0.0, 0
    for indices in in_order_batches(pairs.source_lengths, pairs.target_lengths, batch_tokens):
        batch = make_batch(pairs.sources(indices), pairs.targets(indices)).to(device)
        source = batch.source
        memory = model.encode(source.source_ids, source.source_lengths, source.source_mask)
        loss = negative_log_likelihood(model, batch, model.decode(memory, batch.target_in))
        total, num_targets = total + loss.item(), num_targets + batch.num_target_tokens
    return total / num_targets


def _report(training: Training) -> dict[str, str]:
    """Writes the journal lines of this step; returns what the progress bar shows."""
    progress = training.progress
    loss = progress.recent_loss / progress.recent_targets
    progress.recent_loss, progress.recent_targets = 0.0, 0
    speed = progress.num_tokens / progress.wall_seconds
    rate = training.optimizer.param_groups[0]["lr"]
    training.journal.on_metrics(progress.step, PHASE, {"train/loss": loss, "train/learning_rate": rate})
    pace = {"pace/tokens_per_second": speed, "pace/elapsed_seconds": progress.wall_seconds}
    training.pace.on_metrics(progress.step, PHASE, pace)
    return {"loss": f"{loss:.3f}", "tokens/s": f"{speed:,.0f}"}


class _Clock:
    """Adds the time since the last tick to a training's own, which goes on over interruptions."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = time.perf_counter()

    def tick(self) -> None:
        now = time.perf_counter()
        self._progress.wall_seconds += now - self._last
        self._last = now


def _batches(pairs: EncodedPairs, params: TrainParams, progress: Progress) -> Iterator[tuple[int, int, Batch]]:
    """Endless (epoch, index in it, batch) from where ``progress`` stands, made ahead by a thread."""

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
