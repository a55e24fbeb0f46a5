import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.data.tokenizer import BOS, EOS, Tokenizer
from seq2sum.decoding.hypothesis import length_penalty
from seq2sum.errors import UserError
from seq2sum.explain import explain, segments
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.summarize import Summarizer
from tests.decoding.tables import search_params
from tests.model.tiny import tiny_params, with_biases

TEXTS = [
    "a small tool that draws trees and graphs on the terminal",
    "library for tables; it knows many formats and tables of Größe",
    "server for maps",
]
SEARCH = search_params(beam_size=3, length_penalty=1.5, min_tokens=1, max_tokens=8)


def make_summarizer(**changes):
    tokenizer = Tokenizer.train(TEXTS * 2, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    model = with_biases(SummarizerModel(tiny_params(**changes), tokenizer.vocab_size))
    return Summarizer(model, tokenizer, max_source_tokens=60, search=SEARCH)


SUMMARIZER = make_summarizer()


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_the_parts_make_up_the_searchs_score(beta):
    search = SEARCH.model_copy(update={"coverage_penalty": beta})
    for document, found in zip(TEXTS, SUMMARIZER.summarize_best(TEXTS, search, 3), strict=True):
        for summary in found:
            explanation = explain(SUMMARIZER, document, summary.ids)
            assert explanation.log_prob == pytest.approx(
                sum(math.log(origin.probability) for origin in explanation.origins), abs=1e-4
            )
            coverage = [sum(weights) for weights in zip(*(one.attention for one in explanation.origins), strict=True)]
            bonus = beta * sum(math.log(min(covered, 1.0)) for covered in coverage)
            score = explanation.log_prob / length_penalty(len(explanation.origins), search.length_penalty) + bonus
            assert summary.score == pytest.approx(score, abs=1e-4)


def test_shares_weights_and_attention_are_what_the_network_says_step_by_step():
    document = TEXTS[1]
    model, tokenizer = SUMMARIZER.model, SUMMARIZER.tokenizer
    source = tokenizer.encode(document)
    explanation = explain(SUMMARIZER, document, "tables of maps")
    ids = [*tokenizer.encode("tables of maps"), EOS]
    with torch.no_grad():
        memory = model.encode(torch.tensor([source]), torch.tensor([len(source)]), torch.ones(1, len(source)).bool())
        state, latest = model.decoder.initial_state(memory), BOS
        for piece, origin in zip(ids, explanation.origins, strict=True):
            decoded, state = model.step(memory, state, torch.tensor([[latest]]))
            gate = torch.sigmoid(decoded.gate_logit[0, 0]).item()
            logits = decoded.features[0, 0] @ model.embedding.weight.t() + model.output_bias
            generated = gate * torch.softmax(logits, 0)[piece].item()
            copies = {
                position: (1 - gate) * decoded.attn_log_weights[0, 0, position].exp().item()
                for position, held in enumerate(source)
                if held == piece
            }
            copied = sum(copies.values())
            assert origin.probability == pytest.approx(generated + copied, abs=1e-6)
            assert origin.copied == pytest.approx(copied / (generated + copied), abs=1e-5)
            assert dict(origin.sources) == pytest.approx(
                {position: weight / copied for position, weight in copies.items()}, abs=1e-4
            )
            weights = [weight for _, weight in origin.sources]
            assert weights == sorted(weights, reverse=True)
            assert sum(origin.attention) == pytest.approx(1, abs=1e-5)
            assert origin.attention == pytest.approx(decoded.attn_log_weights[0, 0].exp().tolist(), abs=1e-5)
            latest = piece
    twice = [len(origin.sources) for origin in explanation.origins if origin.piece == " tables"]
    assert twice == [2]
    assert explanation.origins[-1].sources == ()
    assert "".join(origin.piece for origin in explanation.origins[:-1]) == " tables of maps"


def test_a_gate_that_is_shut_copies_and_a_model_without_copying_does_not():
    copier = make_summarizer()
    copier.model.decoder.gate.bias.data.fill_(-60.0)
    (summary,) = copier.summarize(TEXTS[1:2], SEARCH.model_copy(update={"beam_size": 1}))
    assert [origin.copied for origin in explain(copier, TEXTS[1], summary.ids).origins[:-1]] == pytest.approx(
        [1.0] * len(summary.ids)
    )
    explanation = explain(make_summarizer(copy_source=False), TEXTS[1], summary.ids)
    assert [(origin.copied, origin.sources) for origin in explanation.origins] == [(0.0, ())] * (len(summary.ids) + 1)


def test_spans_are_the_places_of_the_pieces_in_the_document_as_given():
    document = "\n  the Größe  of tables \n"
    explanation = explain(SUMMARIZER, document, "tables")
    pairs = list(zip(explanation.source_pieces, explanation.source_spans, strict=True))
    assert len(pairs) == len(explanation.origins[0].attention)
    for piece, (start, end) in pairs:
        if "\N{REPLACEMENT CHARACTER}" in piece:
            assert set(document[start:end]) & set("öß")
        else:
            assert document[start:end] == (piece.lstrip() or piece)
    start = document.index("tables")
    assert (" tables", (start, start + len("tables"))) in pairs


def test_a_long_document_is_explained_as_far_as_it_is_read_and_an_empty_one_is_refused():
    explanation = explain(SUMMARIZER, " ".join(TEXTS * 9), "tables")
    assert len(explanation.source_spans) == len(explanation.origins[0].attention) == 60
    with pytest.raises(UserError, match="no text"):
        explain(SUMMARIZER, " \n", "tables")


def test_words_are_the_summarys_with_the_shares_and_sources_of_their_pieces():
    summary = "tables of Größe \N{SNOWMAN} unheard"
    explanation = explain(SUMMARIZER, TEXTS[1], summary)
    words = explanation.words
    assert [word.text for word in words] == summary.split()
    assert [word.first for word in words[1:]] == [word.last for word in words[:-1]]
    assert (words[0].first, words[-1].last) == (0, len(explanation.origins) - 1)
    for word in words:
        pieces = explanation.origins[word.first : word.last]
        assert word.probability == pytest.approx(math.prod(piece.probability for piece in pieces))
        assert word.copied == pytest.approx(sum(piece.copied for piece in pieces) / len(pieces))
        assert sum(weight for _, weight in word.sources) == pytest.approx(word.copied, abs=1e-5)
        assert {position for position, _ in word.sources} == {at for piece in pieces for at, _ in piece.sources}
        weights = [weight for _, weight in word.sources]
        assert weights == sorted(weights, reverse=True)
    assert explain(SUMMARIZER, TEXTS[1], "").words == ()


@given(st.text(st.sampled_from("ab ö\N{SNOWMAN}\N{GRINNING FACE}\n"), min_size=1).filter(str.strip))
def test_segments_cut_a_document_at_its_pieces_and_lose_nothing(document):
    explanation = explain(SUMMARIZER, document, "a")
    parts = list(segments(document, explanation.source_spans))
    assert "".join(part.text for part in parts) == document
    for part in parts:
        for start, end in explanation.source_spans[part.first : part.last]:
            assert document[start:end] in part.text
    covered = [position for part in parts for position in range(part.first, part.last)]
    assert covered == sorted(set(covered))
    assert {position for position, (start, end) in enumerate(explanation.source_spans) if start < end} <= set(covered)
