import numpy as np
import torch

from seq2sum.contents import read_contents
from seq2sum.summarize import Summarizer
from tests.pipeline.tracking.project import make_model

DOCUMENTS = [
    f"The ferry leaves at noon. {'It comes back before dark, with sacks. ' * repeated}" for repeated in (0, 3, 40, 1)
]


def test_an_embedding_is_the_mean_state_of_the_document_alone_whatever_it_is_read_with(tmp_path):
    make_model(tmp_path / "model")
    summarizer = Summarizer.load(tmp_path / "model")
    found = read_contents(DOCUMENTS, summarizer)
    for document, pieces, embedding in zip(DOCUMENTS, *found, strict=True):
        ids = summarizer.tokenizer.encode(document.strip())[: summarizer.max_source_tokens]
        assert pieces.tolist() == sorted(ids)
        alone = torch.tensor([ids])
        with torch.no_grad():
            memory = summarizer.model.encode(alone, torch.tensor([len(ids)]), torch.ones_like(alone, dtype=torch.bool))
        np.testing.assert_allclose(embedding, memory.states[0].mean(dim=0), atol=1e-6)


def test_no_documents_have_no_contents(tmp_path):
    make_model(tmp_path / "model")
    found = read_contents([], Summarizer.load(tmp_path / "model"))
    assert (len(found.pieces), len(found.embeddings)) == (0, 0)
