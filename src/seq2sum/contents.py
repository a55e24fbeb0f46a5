"""What a document is about, as numbers that drift is told by: its pieces, and the mean of the encoder's states."""

from collections.abc import Sequence

import numpy as np
import torch

from seq2sum.data.batch import make_source
from seq2sum.drift import Contents
from seq2sum.summarize import Summarizer

BATCH_DOCUMENTS = 16


@torch.no_grad()
def read_contents(documents: Sequence[str], summarizer: Summarizer) -> Contents:
    """Of the part of each document that the model reads. The documents must have text."""
    encoded = summarizer.tokenizer.encode_batch([document.strip() for document in documents])
    rows = [np.array(ids[: summarizer.max_source_tokens]) for ids in encoded]
    device = summarizer.model.embedding.weight.device
    embeddings = [np.zeros((0, summarizer.model.params.state_size))]
    for start in range(0, len(rows), BATCH_DOCUMENTS):
        source = make_source(rows[start : start + BATCH_DOCUMENTS]).to(device)
        states = summarizer.model.encode(source.source_ids, source.source_lengths, source.source_mask).states
        mask = source.source_mask.unsqueeze(2)
        means = (states.float() * mask).sum(dim=1) / mask.sum(dim=1)
        embeddings.append(means.cpu().double().numpy())
    return Contents([np.sort(row) for row in rows], np.concatenate(embeddings))
