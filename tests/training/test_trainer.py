import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import random
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tqdm import tqdm

from seq2sum.config import TrainParams, num_directions
from seq2sum.errors import UserError
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.reward import reward_phase
from seq2sum.training.average import WeightAverage
from seq2sum.training.distributed import ALONE, Ranks
from seq2sum.training.phase import Phase, likelihood_phase, pretraining_phase
from seq2sum.training.schedule import learning_rate
from seq2sum.training.sentinel import Incident, watch
from seq2sum.training.state import Training
from seq2sum.training.trainer import Interrupted, fit, train_step, validation_loss
from tests.model.tiny import VOCAB_SIZE, batch_of, tiny_model, tiny_params

CPU = torch.device("cpu")


class MadeUpPairs:
    """Pairs whose summary is the first pieces of the document: learnable by copying."""

    def __init__(self, num_pairs: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.rows = [rng.integers(4, VOCAB_SIZE, rng.integers(4, 12)) for _ in range(num_pairs)]
        self.source_lengths = np.array([len(row) for row in self.rows])
        self.target_lengths = np.minimum(3, self.source_lengths)

    def __len__(self) -> int:
        return len(self.rows)

    def sources(self, indices):
        return [self.rows[index] for index in indices]

    def targets(self, indices):
        return [self.rows[index][:3] for index in indices]


def train_params(**changes) -> TrainParams:
    values = {
        "seed": 1, "precision": "float32", "model": tiny_params(dropout=0.1), "batch_tokens": 150,
        "pretrain": {"max_steps": 0, "learning_rate": 0.01, "warmup_steps": 2},
        "max_steps": 30, "learning_rate": 0.01, "warmup_steps": 5,
        "reward": {"max_steps": 0, "learning_rate": 0.005, "warmup_steps": 2, "num_samples": 3, "max_tokens": 6,
                   "likelihood_weight": 0.1, "tokenizer": "rouge"},
        "weight_decay": 0.01, "clip_norm": 1.0, "label_smoothing": 0.05, "coverage_weight": 0.1, "ema_decay": 0.9,
        "average_best": 1,
        "validate_every": 7, "patience": 50, "log_every": 4, "checkpoint_every": 6, "explosion_factor": 10.0,
        "max_incidents": 2,
    }  # fmt: skip
    return TrainParams(**(values | changes))


def run(folder: Path, params: TrainParams, should_stop=lambda: False, ranks: Ranks = ALONE) -> Training:
    """A whole training, or what is left of one, on one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(params.seed)
    training = Training(SummarizerModel(params.model, VOCAB_SIZE), params, folder, CPU, ranks=ranks)
    training.resume()
    fit(training, phases_of(params, ranks), should_stop)
    return training


def phases_of(params: TrainParams, ranks: Ranks = ALONE) -> list[Phase]:
    """The likelihood phase, between those that the params ask for. The reward is the share of right pieces."""
    pairs, val_pairs = MadeUpPairs(120, seed=1), MadeUpPairs(20, seed=2)
    phases = [likelihood_phase(params, pairs, lambda model, check: validate(model, val_pairs, ranks, check))]
    if params.pretrain.max_steps:
        phases.insert(0, pretraining_phase(params, MadeUpPairs(50, seed=3)))
    if params.reward.max_steps:
        phases.append(reward_phase(params.reward, Letters(), pairs, val_pairs, share_of_right_letters, ranks))
    return phases


def validate(model, val_pairs, ranks, check) -> float:
    return validation_loss(model, val_pairs, 200, CPU, ranks=ranks, check=check)


class Letters:
    """A piece is a letter."""

    def decode(self, ids) -> str:
        return "".join(chr(ord("a") + int(piece)) for piece in ids)


def share_of_right_letters(hypotheses, references) -> np.ndarray:
    pairs = zip(hypotheses, references, strict=True)
    return np.array([sum(map(str.__eq__, one, other)) / max(len(one), len(other), 1) for one, other in pairs])


def fingerprint(folder: Path, training: Training) -> tuple[str, bytes]:
    digest = hashlib.sha256()
    for parameter in training.model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest(), (folder / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("attention", ["general", "dot", "additive"])
@pytest.mark.parametrize("encoder", ["bilstm", "lstm", "rnn", "conv_bilstm", "feedforward"])
def test_one_batch_is_learnt_by_heart(tmp_path, encoder, attention):
    sizes = {"encoder_size": 12 * (3 - num_directions(encoder)), "decoder_size": 24}
    network = {"encoder": encoder, "attention": attention, **sizes}
    plain = {"label_smoothing": 0.0, "coverage_weight": 0.0}
    params = train_params(model=tiny_params(**network), **plain, max_steps=80, learning_rate=0.02)
    batch = batch_of(([5, 6, 7, 8, 6], [5, 9, 6, 6]), ([9, 5], [7]), ([4, 4, 11], [12, 4, 4]))
    training = Training(tiny_model(**network), params, tmp_path, CPU)
    phase = phases_of(params)[0]
    for step in range(1, 81):
        training.progress.step = step
        training.progress.recent_total = training.progress.recent_count = 0
        train_step(training, phase, batch)
    assert training.progress.recent_total / training.progress.recent_count < 0.05


def test_training_lowers_the_loss_and_keeps_the_best_weights(tmp_path):
    training = run(tmp_path, train_params(max_steps=60))
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    validations = {
        line["step"]: line["values"]["validation/loss"] for line in lines if "validation/loss" in line["values"]
    }
    assert list(validations) == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert validations[60] < validations[7] - 0.1
    best = min(validations, key=validations.get)
    assert training.progress.best_step == best
    again = validation_loss(training.model, MadeUpPairs(20, seed=2), 200, CPU)
    assert again == pytest.approx(validations[best], abs=1e-6)


@pytest.mark.parametrize(("loss_of_mean", "chosen"), [(0.5, [1, 3, 2]), (1.5, [1])])
def test_the_result_is_the_mean_of_the_best_weights_or_the_best_if_the_mean_is_worse(tmp_path, loss_of_mean, chosen):
    params = train_params(average_best=3, ema_decay=0.0)
    losses = iter([4.0, 1.0, 3.0, 2.0, 5.0, loss_of_mean])
    seen = []

    def validate(model, _check):
        seen.append([parameter.detach().clone() for parameter in model.parameters()])
        return next(losses)

    torch.manual_seed(params.seed)
    training = Training(SummarizerModel(params.model, VOCAB_SIZE), params, tmp_path, CPU)
    training.resume()
    fit(training, [likelihood_phase(params, MadeUpPairs(120, seed=1), validate)])
    assert len(seen) == 6
    for index, parameter in enumerate(training.model.parameters()):
        expected = sum(seen[which][index] for which in chosen) / len(chosen)
        torch.testing.assert_close(parameter.detach(), expected)


def test_patience_ends_the_training(tmp_path):
    training = run(
        tmp_path, train_params(learning_rate=1e-9, ema_decay=0.0, max_steps=500, patience=2, weight_decay=0.0)
    )
    assert training.progress.step < 500
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    values = [line["values"]["validation/loss"] for line in lines if "validation/loss" in line["values"]]
    assert len(values) - 1 - values.index(min(values)) == 2


def three_phases(**changes) -> TrainParams:
    params = train_params(**changes).model_dump()
    params["pretrain"]["max_steps"], params["reward"]["max_steps"] = 10, 15
    return TrainParams.model_validate(params)


@pytest.fixture(scope="module", params=[True, False])
def undisturbed(request, tmp_path_factory):
    """The params of a training, with and without copying, and what it ends in."""
    folder = tmp_path_factory.mktemp("whole")
    params = three_phases(model=tiny_params(dropout=0.1, copy_source=request.param), average_best=2)
    return params, fingerprint(folder, run(folder, params))


@pytest.mark.parametrize("stop_after", [1, 6, 13, 29, 40, 41, 50, 54])
def test_stopping_and_resuming_changes_nothing(tmp_path, undisturbed, stop_after):
    params, whole = undisturbed
    asked = iter([False] * stop_after + [True])
    with pytest.raises(Interrupted):
        run(tmp_path, params, lambda: next(asked))
    assert fingerprint(tmp_path, run(tmp_path, params)) == whole


@pytest.mark.parametrize("validate_every", [1, 500])
def test_a_training_that_diverges_says_so_and_keeps_nothing_of_it(tmp_path, validate_every):
    params = train_params(learning_rate=1e30, warmup_steps=0, label_smoothing=0.0, validate_every=validate_every)
    with pytest.raises(UserError, match=r"diverged.*train\.learning_rate"):
        run(tmp_path, params)
    assert "NaN" not in (tmp_path / "journal.jsonl").read_text()
    assert len(list(tmp_path.glob("incident-*.safetensors"))) == params.max_incidents + 1


class BrokenOnce:
    """A phase's objective whose loss, the first time that it sees a step, is what it should not be."""

    def __init__(self, training: Training, objective, at_step: int, factor: float) -> None:
        self.training, self.objective, self.at_step, self.factor = training, objective, at_step, factor

    def __call__(self, model, batch, noise):
        outcome = self.objective(model, batch, noise)
        if self.training.progress.step != self.at_step or self.training.progress.incidents:
            return outcome
        return outcome._replace(loss=outcome.loss * self.factor)


def broken_once(folder: Path, params: TrainParams, factor: float, ranks: Ranks = ALONE) -> Training:
    """A training of which the twentieth step's loss is wrong by a ``factor`` at first."""
    torch.manual_seed(params.seed)
    training = Training(SummarizerModel(params.model, VOCAB_SIZE), params, folder, CPU, ranks=ranks)
    training.resume()
    (phase,) = phases_of(params, ranks)
    fit(training, [dataclasses.replace(phase, objective=BrokenOnce(training, phase.objective, 20, factor))])
    return training


def test_nothing_of_a_broken_step_is_left_in_the_weights(tmp_path):
    outcomes = {
        fingerprint(tmp_path / name, broken_once(tmp_path / name, train_params(), float(name)))
        for name in ("nan", "inf", "1000")
    }
    assert len(outcomes) == 1


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1000.0])
def test_an_incident_is_mended_by_going_back_with_half_the_rate(tmp_path, factor):
    training = broken_once(tmp_path, train_params(), factor)
    assert training.progress.incidents == 1
    evidence = json.loads((tmp_path / "incident-1.json").read_text())
    assert evidence["step"] == 20
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert {"step": 18, "phase": "incident", "values": {"train/incidents": 1}} in lines
    rates = {line["step"]: line["values"].get("train/learning_rate") for line in lines if line["phase"] != "incident"}
    assert rates[16] == learning_rate(16, 0.01, 5, 30)
    assert rates[20] == pytest.approx(learning_rate(20, 0.01, 5, 30) / 2)
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)


def test_what_is_usual_follows_the_loss(tmp_path):
    """A loss that was the first one's size is an explosion once they are a hundredth of it."""
    training = Training(tiny_model(), train_params(explosion_factor=10.0), tmp_path, CPU)
    for loss in (500.0, *[5.0] * 400):
        watch(training, loss, gradient_norm=1.0)
    with pytest.raises(Incident, match="loss 500, of late 5"):
        watch(training, 500.0, gradient_norm=1.0)


def test_the_reward_phase_raises_the_reward_and_never_lowers_it(tmp_path):
    params = train_params(max_steps=60, model=tiny_params(decoder_size=16), coverage_weight=0.0).model_dump()
    params["reward"] |= {"max_steps": 120, "learning_rate": 0.01}
    run(tmp_path, TrainParams.model_validate(params))
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    rewards = [line["values"]["validation/reward"] for line in lines if "validation/reward" in line["values"]]
    assert max(rewards) > rewards[0] + 0.1


@pytest.mark.parametrize("average_best", [1, 3])
def test_a_reward_phase_that_only_harms_leaves_the_weights_as_they_were(tmp_path, average_best):
    params = train_params().model_dump() | {"average_best": average_best}
    before = fingerprint(tmp_path / "before", run(tmp_path / "before", TrainParams.model_validate(params)))
    params["reward"] |= {"max_steps": 10, "learning_rate": 5.0, "warmup_steps": 0}
    after = fingerprint(tmp_path / "after", run(tmp_path / "after", TrainParams.model_validate(params)))
    assert after[0] == before[0]


NUM_KILLS = 20


def run_with_own_locks(folder, params):
    """The progress bar's lock is one of all processes forked from here: a child killed in it would stop the others."""
    tqdm.set_lock(threading.RLock())
    run(folder, params)


def test_killed_at_any_moment_the_result_is_that_of_an_undisturbed_run(tmp_path):
    """A process each time, killed at a random moment: in a step, a validation, a checkpoint or the change of phase."""
    params = three_phases(max_steps=1000, checkpoint_every=10, validate_every=40)
    whole = fingerprint(tmp_path / "whole", run(tmp_path / "whole", params))
    folder = tmp_path / "killed"
    rng = random.Random(1)
    context = multiprocessing.get_context("fork")
    for _ in range(NUM_KILLS):
        process = context.Process(target=run_with_own_locks, args=(folder, params))
        process.start()
        # Its own seconds: on a busy machine it would else be killed before it has done anything.
        moment = rng.uniform(0.02, 0.25)
        while process.is_alive() and sum(psutil.Process(process.pid).cpu_times()[:2]) < moment:
            time.sleep(0.005)
        assert process.is_alive(), "it ended before it could be killed"
        process.kill()
        process.join()
    assert (folder / "journal.jsonl").stat().st_size > 0
    assert fingerprint(folder, run(folder, params)) == whole


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [learning_rate(step, 0.5, warmup_steps=10, max_steps=50) for step in range(1, 51)]
    assert rates[9] == 0.5
    assert rates[4] == pytest.approx(0.25)
    assert all(a < b for a, b in itertools.pairwise(rates[:10]))
    assert all(a > b for a, b in itertools.pairwise(rates[9:]))
    assert 0 < rates[-1] < 0.01


def test_the_average_follows_its_formula_and_swaps_in_and_out():
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = WeightAverage(model, decay=0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), start=1):
        model.weight.data.fill_(value)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied(model):
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 4.0
