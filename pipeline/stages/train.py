"""Stage train: encoded pairs to a model folder. Goes on where an interrupted training of the same key stood.

With SEQ2SUM_PROCESSES, or under torchrun, several processes train as one; the first of them writes.
"""

# Before PyTorch, which takes seconds to import: it notes who started this process.
from pipeline.stages.runner import run_guarded, run_stage  # isort: skip

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from pipeline import paths
from pipeline.hardware import busy_hint, matrix_precision, use_hardware
from pipeline.launch import become_launcher
from pipeline.retention import tidy
from pipeline.supervision import exclusive, stop_when_asked
from pipeline.tracking.live import live_curves
from seq2sum.config import Params, TrainParams
from seq2sum.data.encoded import EncodedPairs, PieceVectors, read_info
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.environment import whole_number
from seq2sum.evaluation.fast_rouge import RougeReward
from seq2sum.files import replaced_file, sha256_of, write_json
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.reward import reward_phase
from seq2sum.training.distributed import Ranks, joined_ranks
from seq2sum.training.identity import train_key
from seq2sum.training.phase import Phase, likelihood_phase, pretraining_phase
from seq2sum.training.sampler import epoch_batches
from seq2sum.training.state import Training
from seq2sum.training.trainer import Interrupted, fit, validation_loss

# One to go on from, and one in case that is damaged.
DEFAULT_CHECKPOINTS = 2
# What the checkpoints of other trainings may take.
DEFAULT_CHECKPOINTS_GIB = 20


def train(params: Params) -> None:
    """Trains, and writes the model folder, the journal and the training's numbers."""
    should_stop = stop_when_asked()
    device = use_hardware()
    if hint := busy_hint(device):
        print(f"train: {hint}", file=sys.stderr)
    with joined_ranks(device) as ranks:
        _train(params, device, ranks, should_stop)


def _train(params: Params, device: torch.device, ranks: Ranks, should_stop: Callable[[], bool]) -> None:
    precision = matrix_precision(params.train.precision, device)
    tokenizer = Tokenizer.load(paths.TOKENIZER)
    info = read_info(paths.ENCODED)
    config = params.train.model_dump() | {"encode": params.encode.model_dump(), "precision": str(precision)}
    # This file says which phases there are, and on what.
    config["stage"] = sha256_of(Path(__file__))
    key = train_key(info["digest"] + sha256_of(paths.TOKENIZER), config)
    folder = paths.CHECKPOINTS / key
    with _alone_in(folder, key) if ranks.is_first else contextlib.nullcontext():
        torch.manual_seed(params.train.seed)
        model = SummarizerModel(params.train.model, tokenizer.vocab_size)
        if vectors := PieceVectors.load(paths.ENCODED):
            model.start_from(*map(torch.from_numpy, vectors))
        num_checkpoints = whole_number("SEQ2SUM_CHECKPOINTS", DEFAULT_CHECKPOINTS)
        training = Training(model, params.train, folder, device, precision, ranks, num_checkpoints)
        training.resume()
        if ranks.is_first and (step := training.progress.step):
            print(f"train: on from step {step:,}, the last checkpoint", file=sys.stderr)
        try:
            phases = phases_of(params.train, tokenizer, device, precision, ranks)
            fit(training, phases, should_stop)
        except Interrupted:
            step = training.progress.step
            print(f"train: stopped at step {step:,}; the same command goes on from there.", file=sys.stderr)
            sys.exit(128 + signal.SIGTERM)
        if not ranks.is_first:
            return
        progress = training.progress
        save_model(paths.MODEL, model, tokenizer, params.encode.max_source_tokens)
        with replaced_file(paths.JOURNAL) as beside:
            beside.write_bytes((folder / "journal.jsonl").read_bytes())
        report = {
            "train_key": key,
            "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "steps": progress.step,
            "best_step": progress.best_step,
            "incidents": progress.incidents,
            "num_devices": ranks.size,
            "precision": str(precision).removeprefix("torch."),
            **_exposure(info["splits"]["train"], _num_passes(phases, params.train, paths.JOURNAL)),
            "wall_seconds": round(progress.wall_seconds, 3),
            "tokens_per_second": round(progress.num_tokens / progress.wall_seconds, 1),
        }
        write_json(paths.TRAIN_REPORT, report)
        print(f"trained {report['num_parameters']:,} parameters; best step {progress.best_step:,}", flush=True)


@contextlib.contextmanager
def _alone_in(folder: Path, key: str) -> Iterator[None]:
    with exclusive(folder):
        tidy(paths.CHECKPOINTS, folder, whole_number("SEQ2SUM_CHECKPOINTS_GIB", DEFAULT_CHECKPOINTS_GIB) * 2**30)
        with live_curves(folder, key):
            yield


def _exposure(counts: dict[str, int], passes: float) -> dict[str, float]:
    """How much there was to learn from, how often it was read, and how many documents were cut."""
    num_pairs = counts["num_pairs"]
    return {
        "num_train_pairs": num_pairs,
        "passes": round(passes, 2),
        "cut_share": round(counts["num_cut_sources"] / num_pairs, 4),
    }


def _num_passes(phases: list[Phase], params: TrainParams, journal: Path) -> float:
    """How often the likelihood phase read the pairs until its steps or its patience ended.

    Its last step is in the journal, since it ends with a validation; pretraining before it always takes all its steps.
    """
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    index = [phase.name for phase in phases].index("likelihood")
    before = sum(phase.schedule.max_steps for phase in phases[:index])
    last = max(int(line["step"]) for line in lines if line["phase"] == "likelihood")
    pairs = phases[index].pairs
    epoch = epoch_batches(pairs.source_lengths, pairs.target_lengths, params.batch_tokens, params.seed, 0)
    return (last - before) / len(epoch)


def phases_of(
    params: TrainParams, tokenizer: Tokenizer, device: torch.device, precision: torch.dtype, ranks: Ranks
) -> list[Phase]:
    """The phases that the params ask for, over the encoded pairs."""
    pairs, val_pairs = EncodedPairs.open(paths.ENCODED / "train"), EncodedPairs.open(paths.ENCODED / "val")

    def validate(model: SummarizerModel, check: Callable[[], None]) -> float:
        return validation_loss(model, val_pairs, params.batch_tokens, device, precision, ranks, check)

    phases = [likelihood_phase(params, pairs, validate)]
    if params.pretrain.max_steps:
        exercises = EncodedPairs.open(paths.ENCODED / "pretrain")
        if len(exercises):
            phases.insert(0, pretraining_phase(params, exercises))
        else:
            print("no pretraining: no document has a sentence to lose", file=sys.stderr)
    if params.reward.max_steps:
        reward = RougeReward(params.reward.tokenizer)
        phases.append(reward_phase(params.reward, tokenizer, pairs, val_pairs, reward, ranks))
    return phases


if __name__ == "__main__":
    run_guarded("train", lambda: become_launcher("pipeline.stages.train"))
    run_stage("train", train)
