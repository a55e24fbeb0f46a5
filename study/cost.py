"""Stage cost: time of encoders and decoders, forward and backward, on random numbers: ``python -m study.cost``."""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.stages.runner import run_guarded
from seq2sum.config import EncoderKind, ModelParams
from seq2sum.files import write_json
from seq2sum.model.encoder import build_encoder
from seq2sum.model.initialization import initialize
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.params_file import load_yaml
from study import settings
from study.networks import params_with
from study.settings import CostParams, StudyParams

# The decoder's time does not depend on how many pieces there are: the output layer is not measured.
NUM_PIECES = 1000


def encoder_costs(network: ModelParams, params: CostParams) -> dict[str, Any]:
    """Parameters, and seconds per token by threads and row length, of the encoder that ``network`` names."""
    torch.manual_seed(0)
    encoder = build_encoder(network)
    initialize(encoder)
    seconds: dict[int, dict[int, float]] = {}
    for num_threads in sorted({1, len(os.sched_getaffinity(0))}):
        torch.set_num_threads(num_threads)
        seconds[num_threads] = {}
        for length in params.lengths:
            num_rows = max(1, params.batch_tokens // length)
            embedded = torch.randn(num_rows, length, network.embedding_size, requires_grad=True)
            lengths = torch.full((num_rows,), length)

            def run(embedded: Tensor = embedded, lengths: Tensor = lengths) -> None:
                encoder(embedded, lengths).states.sum().backward()

            taken = fastest(run, params.repeats)
            seconds[num_threads][length] = taken / (num_rows * length)
    return {
        "num_parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "seconds_per_token": seconds,
    }


def decoder_costs(network: ModelParams, params: CostParams) -> dict[int, dict[str, float]]:
    """Seconds of a batch by target length, all steps at once and one after the other."""
    torch.manual_seed(0)
    model = SummarizerModel(network, NUM_PIECES)
    num_rows, length = params.decoder_rows, params.lengths[-1]
    ids = torch.randint(4, NUM_PIECES, (num_rows, length))
    with torch.no_grad():
        memory = model.encode(ids, torch.full((num_rows,), length), torch.ones_like(ids, dtype=torch.bool))
    costs = {}
    for num_steps in params.target_lengths:
        targets = ids.repeat(1, 1 + num_steps // length)[:, :num_steps]

        def at_once(targets: Tensor = targets) -> Tensor:
            return model.decode(memory, targets).features

        def stepwise(targets: Tensor = targets) -> Tensor:
            state, features = model.decoder.initial_state(memory), []
            for step in range(targets.shape[1]):
                decoded, state = model.step(memory, state, targets[:, step : step + 1])
                features.append(decoded.features)
            return torch.cat(features, dim=1)

        torch.testing.assert_close(stepwise(), at_once(), atol=1e-4, rtol=1e-3)
        costs[num_steps] = {
            "at_once": fastest(functools.partial(_backward, at_once), params.repeats),
            "stepwise": fastest(functools.partial(_backward, stepwise), params.repeats),
        }
    return costs


def _backward(forward: Callable[[], Tensor]) -> None:
    forward().sum().backward()  # type: ignore[no-untyped-call]


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of so many calls, after one that warms up: what else the machine does only adds."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def stage() -> None:
    """Measures every encoder of the corpus, and the decoder of the first."""
    params = load_yaml(settings.PARAMS, StudyParams)
    networks: dict[EncoderKind, ModelParams] = {
        encoder: params_with(encoder, params.corpus).train.model for encoder in params.runs.encoders
    }
    costs = {
        "encoders": {encoder: encoder_costs(network, params.cost) for encoder, network in networks.items()},
        "decoder": decoder_costs(networks["bilstm"], params.cost),
    }
    write_json(settings.COST, costs)


if __name__ == "__main__":
    run_guarded("cost", stage)
