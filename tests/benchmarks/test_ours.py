"""The measurements of this project run: at a size that takes no time."""

from pathlib import Path

import pytest
import torch

from benchmarks.ours import decode, train
from benchmarks.sizes import Size, write_corpus

TINY = Size(
    "",
    vocab_size=200,
    batch_pairs=8,
    mean_source=10,
    max_source=20,
    mean_target=4,
    max_target=8,
    num_pairs=160,
    num_decoded=3,
    embedding_size=8,
    encoder_size=8,
    decoder_size=16,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(TINY, folder)
    return folder


def test_training_is_measured_by_the_real_loop(corpus: Path) -> None:
    measured = train(TINY, torch.float32, corpus)

    assert measured["seconds"] > 0
    # Ten steps' batches of as many tokens as eight mean pairs.
    assert 40 <= measured["pairs"] <= 120
    assert measured["operations"] > 3 * 2 * measured["target_tokens"] * TINY.embedding_size * TINY.vocab_size


def test_search_writes_every_document_at_the_mean_length(corpus: Path) -> None:
    assert decode(TINY, torch.float32, corpus)["pairs"] == TINY.num_decoded
