"""A tiny network and batches of made-up pieces, for tests of the maths."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from seq2sum.config import ModelParams
from seq2sum.data.batch import Batch, make_batch
from seq2sum.model.summarizer import SummarizerModel

VOCAB_SIZE = 30
# Every encoder and every attention at least once, and dot attention to states of one and of two directions.
NETWORKS = [
    {"encoder": "bilstm", "attention": "general"},
    {"encoder": "bilstm", "attention": "dot", "decoder_size": 12},
    {"encoder": "lstm", "attention": "dot", "decoder_size": 6},
    {"encoder": "rnn", "attention": "additive"},
    {"encoder": "conv_bilstm", "attention": "additive", "conv_stride": 2},
    {"encoder": "feedforward", "attention": "general"},
]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: "-".join(map(str, network.values())))


def tiny_params(**changes: object) -> ModelParams:
    values = {
        "encoder": "bilstm",
        "embedding_size": 8,
        "encoder_size": 6,
        "encoder_layers": 1,
        "conv_width": 3,
        "conv_stride": 1,
        "decoder_size": 10,
        "attention": "general",
        "dropout": 0.0,
        "variational_dropout": False,
        "copy_source": True,
    }
    return ModelParams.model_validate(values | changes)


def with_biases(model: SummarizerModel) -> SummarizerModel:
    """The same with biases as after a training, which begins with zeros: so that what forgets one is found out."""
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def tiny_model(**changes: object) -> SummarizerModel:
    torch.manual_seed(3)
    return with_biases(SummarizerModel(tiny_params(**changes), VOCAB_SIZE))


def batch_of(*pairs: tuple[Sequence[int], Sequence[int]]) -> Batch:
    return make_batch([np.array(source) for source, _ in pairs], [np.array(target) for _, target in pairs])


def encode(model: SummarizerModel, batch: Batch):
    source = batch.source
    return model.encode(source.source_ids, source.source_lengths, source.source_mask)
