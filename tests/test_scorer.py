from dataclasses import replace

import pytest
import torch

from seq2sum import scorer
from seq2sum.model.summarizer import mix_with_copies
from seq2sum.scorer import Scorer, can_be_generated
from tests.model.tiny import VOCAB_SIZE, batch_of, encode, tiny_model

ALWAYS = range(4)
DOCUMENTS = (([5, 6, 5, 8], [5]), ([9], [7]), ([9, 29, 7], [7]))


def first_step(model, memory, num_beams):
    num_documents = len(memory.states)
    start = model.decoder.initial_state(memory).select(torch.zeros(num_documents, num_beams, dtype=torch.long))
    latest = torch.arange(num_documents * num_beams).view(num_documents, num_beams) + 4
    return model.step(memory, start, latest)[0]


@pytest.mark.parametrize("copy_source", [True, False])
def test_the_whole_vocabulary_is_scored_as_in_training_whatever_the_step_before_left(copy_source, monkeypatch):
    monkeypatch.setattr(scorer, "CHUNK_LOGITS", 2 * VOCAB_SIZE)  # rows two by two
    model = tiny_model(copy_source=copy_source)
    everything = encode(model, batch_of(*DOCUMENTS))
    score = Scorer(model, everything.source_ids, can_be_generated(model, 0, ALWAYS), 9)
    assert score.ids.tolist() == list(range(VOCAB_SIZE))
    for num_documents, num_beams in ((3, 1), (3, 3), (2, 3), (1, 2)):
        memory = everything.keep(torch.arange(num_documents))
        decoded = first_step(model, memory, num_beams)
        found = score(memory, decoded)
        torch.testing.assert_close(found, model.log_probs(memory, decoded))
        found.fill_(torch.nan)


def test_a_shortlist_generates_the_commonest_and_copies_a_document_s_own():
    model = tiny_model()
    model.output_bias.data[[20, 5, 11]] += 5.0
    generated = can_be_generated(model, 3, ALWAYS)
    assert generated.nonzero().flatten().tolist() == [*ALWAYS, 5, 11, 20]
    memory = encode(model, batch_of(*DOCUMENTS))
    score = Scorer(model, memory.source_ids, generated, 6)
    assert score.ids.tolist() == [*ALWAYS, 5, 11, 20, 6, 7, 8, 9, 29]
    decoded = first_step(model, memory, 2)
    found = score(replace(memory, source_ids=score.places(memory.source_ids)), decoded)

    expected = model.logits(decoded.features.flatten(0, 1)).masked_fill(~generated, -torch.inf)
    expected = torch.log_softmax(expected, dim=-1).view(3, 2, VOCAB_SIZE)
    mix_with_copies(expected, memory.source_ids, decoded)
    torch.testing.assert_close(found, expected[:, :, score.ids])
    torch.testing.assert_close(found.exp().sum(dim=2), torch.ones(3, 2))
    can_be_chosen = [set(score.ids[row > -torch.inf].tolist()) for row in found[:, 0]]
    assert can_be_chosen == [{*ALWAYS, 5, 11, 20, *source} for source, _ in DOCUMENTS]


def test_nothing_is_left_out_where_it_could_not_be_written_and_none_is_asked_for_that_is_not_there():
    assert can_be_generated(tiny_model(copy_source=False), 3, ALWAYS).all()
    assert can_be_generated(tiny_model(), 10 * VOCAB_SIZE, ALWAYS).all()
