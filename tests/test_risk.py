import numpy as np
import pytest
import torch

from seq2sum.data.batch import make_source
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.drawing import draw_summaries
from seq2sum.evaluation.fast_rouge import RougeReward
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.risk import ExpectedRouge
from tests.model.tiny import tiny_params, with_biases
from tests.test_summarize import TEXTS, changed


@pytest.fixture(scope="module")
def parts():
    tokenizer = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    model = with_biases(SummarizerModel(tiny_params(), tokenizer.vocab_size))
    rows = [np.array(ids) for ids in tokenizer.encode_batch(TEXTS)]
    source = make_source(rows)
    return model, tokenizer, rows, model.encode(source.source_ids, source.source_lengths, source.source_mask)


def test_the_expectation_is_the_mean_over_what_is_drawn_and_the_candidates(parts):
    model, tokenizer, rows, memory = parts
    search = changed(risk_samples=5, max_tokens=6)
    judge = ExpectedRouge(model, tokenizer, search)
    drawn = draw_summaries(model, memory, torch.stack([judge._uniforms(row) for row in rows], dim=1))
    candidates = [["a tool", tokenizer.decode(samples[0])] for samples in drawn]
    rouge = RougeReward("rouge")
    for found, texts, samples in zip(judge(memory, rows, candidates), candidates, drawn, strict=True):
        references = [*(tokenizer.decode(ids) for ids in samples), *texts]
        expected = [np.mean([rouge([text], [reference])[0] for reference in references]) for text in texts]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_what_is_drawn_ends_within_the_limit_and_holds_no_end(parts):
    model, _, rows, memory = parts
    uniforms = torch.rand((4, len(rows), 7, 3), generator=torch.Generator().manual_seed(1))
    drawn = draw_summaries(model, memory, uniforms)
    assert [len(samples) for samples in drawn] == [7] * len(rows)
    assert all(len(ids) <= 4 and 2 not in ids for samples in drawn for ids in samples)
    again = draw_summaries(model, memory, uniforms)
    assert [[ids.tolist() for ids in samples] for samples in again] == [
        [ids.tolist() for ids in samples] for samples in drawn
    ]


def test_each_summary_is_drawn_as_if_alone(parts):
    model, _, rows, memory = parts
    uniforms = torch.rand((9, len(rows), 7, 3), generator=torch.Generator().manual_seed(2))
    # A likely end: so they end at different steps, and leave.
    with torch.no_grad():
        model.output_bias[2] += 4.5
        drawn = draw_summaries(model, memory, uniforms)
        alone = [
            [
                draw_summaries(model, memory.keep(torch.tensor([row])), uniforms[:, row : row + 1, column : column + 1])
                for column in range(7)
            ]
            for row in range(len(rows))
        ]
        model.output_bias[2] -= 4.5
    assert len({len(ids) for samples in drawn for ids in samples}) > 3
    for samples, of_row in zip(drawn, alone, strict=True):
        assert [ids.tolist() for ids in samples] == [one[0][0].tolist() for one in of_row]
