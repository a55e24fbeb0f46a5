import pytest
import torch

from seq2sum import scorer
from seq2sum.scorer import PieceScorer
from tests.model.tiny import VOCAB_SIZE, batch_of, encode, tiny_model

BATCH = batch_of(([5, 6, 5, 8], [5]), ([9], [7]), ([9, 9, 7], [7]))


def first_step(model, num_documents, num_beams):
    memory = encode(model, BATCH).keep(torch.arange(num_documents))
    start = model.decoder.initial_state(memory).select(torch.zeros(num_documents, num_beams, dtype=torch.long))
    latest = torch.arange(num_documents * num_beams).view(num_documents, num_beams) + 4
    return memory, model.step(memory, start, latest)[0]


@pytest.mark.parametrize("copy_source", [True, False])
def test_scores_are_the_models_own_whatever_stood_in_the_buffer(copy_source, monkeypatch):
    monkeypatch.setattr(scorer, "CHUNK_LOGITS", 2 * VOCAB_SIZE)  # rows two by two
    model = tiny_model(copy_source=copy_source)
    score = PieceScorer(model, num_rows=9, precision=torch.float32)
    for num_documents, num_beams in ((3, 1), (3, 3), (2, 3), (1, 2)):
        memory, decoded = first_step(model, num_documents, num_beams)
        found = score(memory, decoded)
        assert found.shape == (num_documents, num_beams, VOCAB_SIZE)
        torch.testing.assert_close(found, model.log_probs(memory, decoded))
        found.fill_(torch.nan)  # as the search may


def test_rounded_products_are_close_and_normalized_in_full():
    model = tiny_model()
    memory, decoded = first_step(model, num_documents=3, num_beams=2)
    exact, rounded = (PieceScorer(model, 6, kind)(memory, decoded) for kind in (torch.float32, torch.bfloat16))
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)
    torch.testing.assert_close(rounded.exp().sum(dim=2), torch.ones(3, 2), atol=1e-5, rtol=0)
