"""Stage recall: trains one encoder on the recall task and measures it: ``python -m study.recall ENCODER SEED``."""

import argparse
import time
from typing import Any, get_args

import torch

from pipeline import paths
from pipeline.stages.runner import run_guarded
from seq2sum.config import EncoderKind, ModelParams
from seq2sum.files import write_json
from seq2sum.params_file import load_params, load_yaml
from study import settings
from study.forget_gate import forget_gate
from study.networks import encoder_of_size
from study.recall_task import (
    RecallNetwork,
    accuracy,
    draw_recall,
    gradient_at_symbol,
    means_of,
    recalls_for_test,
    train,
)
from study.settings import RecallParams, StudyParams


def recall_network(encoder: EncoderKind, model: ModelParams, params: RecallParams) -> RecallNetwork:
    """The network with ``encoder``; what the task does not set is as in the summarizer's ``model``."""
    taken = params.model_dump(include={"embedding_size", "conv_width", "conv_stride"})
    task = {**taken, **encoder_of_size(encoder, params.state_size), "encoder_layers": 1, "attention": "general"}
    return RecallNetwork(ModelParams.model_validate(model.model_dump() | task), params.num_symbols)


def measure_recall(encoder: EncoderKind, seed: int, model: ModelParams, params: RecallParams) -> dict[str, Any]:
    """Trains and returns all that the page wants to know. One thread: the batches are small."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = recall_network(encoder, model, params)
    tests = recalls_for_test(params, seed)
    before = {lag: gradient_at_symbol(network, recall) for lag, recall in tests.items()}
    wall, cpu = time.perf_counter(), time.process_time()
    updates = list(train(network, params, torch.Generator().manual_seed(seed)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    generator = torch.Generator().manual_seed(seed)
    gate_recall = draw_recall(params.gate_lag, params.num_test, params.num_symbols, generator)
    return {
        "encoder": encoder,
        "seed": seed,
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "num_tokens": sum(update.num_tokens for update in updates),
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "losses": means_of([update.loss for update in updates], params.log_every),
        "first_norm": updates[0].norm,
        "largest_norm": max(update.norm for update in updates),
        "accuracy": {lag: accuracy(network, recall) for lag, recall in tests.items()},
        "gradient": {
            "before": before,
            "after": {lag: gradient_at_symbol(network, recall) for lag, recall in tests.items()},
        },
        "forget_gate": forget_gate(network, gate_recall) if encoder == "lstm" else None,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", choices=get_args(EncoderKind))
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()

    def stage() -> None:
        model = load_params(paths.PARAMS).train.model
        params = load_yaml(settings.PARAMS, StudyParams).recall
        measured = measure_recall(arguments.encoder, arguments.seed, model, params)
        write_json(settings.recall_file(arguments.encoder, arguments.seed), measured)
        print(f"recall {arguments.encoder}: accuracy by lag {measured['accuracy']}", flush=True)

    run_guarded("recall", stage)


if __name__ == "__main__":
    main()
