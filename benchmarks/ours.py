"""One measurement of this project in a process of its own: ``python -m benchmarks.ours JOB SIZE PRECISION FOLDER``.

Prints a line of JSON. Jobs: train, decode, multiply (the machine's own matrix products).
"""

import functools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.sizes import SIZES, Size
from pipeline import paths
from pipeline.hardware import use_hardware
from seq2sum.config import ModelParams, TrainParams
from seq2sum.data.batch import Batch
from seq2sum.data.encoded import EncodedColumn, EncodedPairs
from seq2sum.model.dropout import Noise
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.params_file import load_params
from seq2sum.summarize import Summarizer
from seq2sum.training.phase import Likelihood, Outcome, Phase, autocast
from seq2sum.training.state import Training
from seq2sum.training.trainer import fit

WARM_UP_STEPS, STEPS = 3, 13
PRODUCT_SIZE, PRODUCTS = 2048, 8


class _Watched:
    """The likelihood objective, which notes the process's CPU seconds and the tokens at each step."""

    def __init__(self, params: TrainParams) -> None:
        self._objective = Likelihood(params)
        self.seconds: list[float] = []
        self.batches: list[Batch] = []

    def __call__(self, model: SummarizerModel, batch: Batch, noise: Noise) -> Outcome:
        self.seconds.append(time.process_time())
        self.batches.append(batch)
        return self._objective(model, batch, noise)


class _Words:
    """A vocabulary of words that are written as their ids."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))


def network(size: Size) -> ModelParams:
    """The default network at that size."""
    sizes = {
        "embedding_size": size.embedding_size,
        "encoder_size": size.encoder_size,
        "decoder_size": size.decoder_size,
    }
    return load_params(paths.PARAMS).train.model.model_copy(update=sizes)


def train(size: Size, precision: torch.dtype, folder: Path) -> dict[str, Any]:
    """Training pairs by the real loop; a batch is as many tokens as the peers' pairs have on average."""
    device = use_hardware()
    pairs = _pairs(folder)
    tokens = size.batch_pairs * float((pairs.source_lengths + pairs.target_lengths + 1).mean())
    update = {"model": network(size), "batch_tokens": int(tokens), "max_steps": STEPS, "log_every": 5}
    params = load_params(paths.PARAMS).train.model_copy(update=update)
    model = SummarizerModel(params.model, size.vocab_size)
    objective = _Watched(params)
    with tempfile.TemporaryDirectory() as store:
        training = Training(model, params, Path(store), device, precision)
        training.resume()
        fit(training, [Phase("likelihood", pairs, _schedule(params), objective, "train/loss")])
    seconds = objective.seconds[-1] - objective.seconds[WARM_UP_STEPS]
    measured = objective.batches[WARM_UP_STEPS:-1]
    return {
        "seconds": seconds,
        "pairs": sum(len(batch.source.source_ids) for batch in measured),
        "source_tokens": sum(batch.num_source_tokens for batch in measured),
        "target_tokens": sum(batch.targets.num_target_tokens for batch in measured),
        "operations": sum(useful_operations(size, batch) for batch in measured),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def decode(size: Size, precision: torch.dtype, folder: Path, **changes: object) -> dict[str, Any]:
    """Summaries by beam search, each of the mean length; an untrained network would not end by itself.

    ``changes`` are laid over the search settings.
    """
    device = use_hardware()
    torch.manual_seed(1)
    model = SummarizerModel(network(size), size.vocab_size)
    summarizer = Summarizer(model, _Words(size.vocab_size), size.max_source, None)
    length = size.mean_target
    # A plain beam, as the peers'.
    update = {"beam_size": 4, "min_tokens": length, "max_tokens": length, "risk_samples": 0, "length_penalty": 1.0}
    update |= {"block_ngrams": 0, "source_support": False}
    search = load_params(paths.PARAMS).evaluate.search.model_copy(update=update | changes)
    documents = (folder / "decode.src").read_text().splitlines()
    with autocast(device, precision):
        summarizer.summarize(documents[:2], search)
        start = time.process_time()
        summaries = summarizer.summarize(documents, search)
        seconds = time.process_time() - start
    assert all(len(summary.ids) == length for summary in summaries)
    return {"seconds": seconds, "pairs": len(documents)}


def multiply(precision: torch.dtype) -> dict[str, Any]:
    """The fastest of some products of square matrices."""
    use_hardware()
    left, right = (torch.randn(PRODUCT_SIZE, PRODUCT_SIZE).to(precision) for _ in range(2))
    seconds = []
    for _ in range(PRODUCTS):
        start = time.process_time()
        torch.mm(left, right)
        seconds.append(time.process_time() - start)
    return {"seconds": min(seconds), "operations": 2 * PRODUCT_SIZE**3}


def useful_operations(size: Size, batch: Batch) -> int:
    """Additions and multiplications in the matrix products that a step can't do without: of real tokens only.

    The backward pass takes twice those of the forward one.
    """
    embedding, encoder, decoder, states = (
        size.embedding_size,
        size.encoder_size,
        size.decoder_size,
        2 * size.encoder_size,
    )
    source_tokens, target_tokens = batch.num_source_tokens, batch.targets.num_target_tokens
    per_source = 2 * 4 * encoder * (embedding + encoder)
    per_target = (
        4 * decoder * (embedding + decoder)
        + 4 * decoder * (decoder + states + decoder)
        + states * decoder
        + embedding * (decoder + states)
        + embedding * size.vocab_size
    )
    target_lengths = torch.bincount(batch.targets.target_rows // batch.targets.target_out.shape[1])
    attended = int((target_lengths * batch.source.source_lengths).sum()) * (decoder + states)
    return 3 * 2 * (source_tokens * per_source + target_tokens * per_target + attended)


def _schedule(params: TrainParams) -> Any:
    return params.pretrain.model_copy(update={"max_steps": STEPS})


def _pairs(folder: Path) -> EncodedPairs:
    """The corpus as the pipeline has it: in one piece, and no Python object for each word."""
    columns = []
    for name in ("train.src", "train.tgt"):
        with (folder / name).open() as lines:
            offsets = np.cumsum([0, *(line.count(" ") + 1 for line in lines)], dtype=np.int32)
        # By their buffers, as pyarrow loads pandas to look at an array of NumPy's.
        offset_buffer, ids = map(pa.py_buffer, (offsets, np.fromfile(folder / name, np.int32, sep=" ")))
        values = pa.Array.from_buffers(pa.int32(), int(offsets[-1]), [None, ids])
        rows = pa.Array.from_buffers(pa.list_(pa.int32()), len(offsets) - 1, [None, offset_buffer], children=[values])
        columns.append(EncodedColumn(pa.chunked_array([rows])))
    return EncodedPairs(*columns)


def main() -> None:
    """The command line."""
    job, size, precision, folder = sys.argv[1:]
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    if job == "multiply":
        result = multiply(dtype)
    else:
        whole = functools.partial(decode, shortlist=0)
        result = {"train": train, "decode": decode, "decode_whole": whole}[job](SIZES[size], dtype, Path(folder))
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
