"""What happens when a step's loss explodes or is no number: the evidence is kept and the training steps back."""

import logging
import math

from seq2sum.data.batch import Batch
from seq2sum.errors import UserError
from seq2sum.files import write_json
from seq2sum.model.tensor_file import write_tensors
from seq2sum.training.state import Training

log = logging.getLogger(__name__)

RATE_FACTOR = 0.5
# Share of a new loss in the running mean of what is usual.
USUAL_SHARE = 0.02


class Incident(Exception):  # noqa: N818 - the training mends it
    """A step whose loss or gradient can't be used."""


def watch(training: Training, loss: float, gradient_norm: float) -> None:
    """Raises Incident if the step's ``loss`` exploded or if it or the ``gradient_norm`` is no finite number."""
    progress, usual = training.progress, training.progress.usual_loss
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise Incident(f"loss {loss}, gradient norm {gradient_norm}")
    # Rewards move around zero, where a multiple of the mean says nothing: only losses of some size can explode.
    if usual is not None and abs(loss) > training.params.explosion_factor * max(1.0, abs(usual)):
        raise Incident(f"loss {loss:.4g}, of late {usual:.4g}")
    progress.usual_loss = loss if usual is None else usual + USUAL_SHARE * (loss - usual)


def step_back(training: Training, incident: Incident, batch: Batch | None) -> None:
    """Writes down the batch, if one was read, and the state; goes on from the last checkpoint with half the rate.

    Raises UserError once there were more than ``max_incidents``; what was written down stays in the training's folder.
    """
    params, step = training.params, training.progress.step
    number = training.progress.incidents + 1
    evidence = training.store.folder / f"incident-{number}.safetensors"
    if training.ranks.is_first:
        tensors = {f"weights/{name}": weights.detach() for name, weights in training.model.named_parameters()}
        if batch is not None:
            tensors |= {"batch/source_ids": batch.source.source_ids, "batch/target_out": batch.targets.target_out}
        write_tensors(evidence, tensors)
        write_json(evidence.with_suffix(".json"), {"step": step, "what": str(incident), "seed": params.seed})
    if number > params.max_incidents:
        raise UserError(
            f"the training has diverged: at step {step:,} {incident}. Going back with half the rate "
            f"was tried {params.max_incidents} times. Lower train.learning_rate or train.clip_norm in params.yaml, or "
            f"raise train.warmup_steps. Batch and weights are in {evidence}."
        )
    training.resume()
    progress = training.progress
    log.warning("step %d: %s; on from step %d with half the rate", step, incident, progress.step)
    progress.incidents, progress.rate_scale = number, progress.rate_scale * RATE_FACTOR
    training.journal.on_metrics(progress.step, "incident", {"train/incidents": number})
    training.save()
