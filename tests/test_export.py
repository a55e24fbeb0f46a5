"""The exported form against the model that it was made of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seq2sum.data.tokenizer import BOS, Tokenizer
from seq2sum.decoding.hypothesis import length_penalty
from seq2sum.errors import UserError
from seq2sum.export import export
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.portable import STATE_NAMES, PortableSummarizer, _best, beam_search
from seq2sum.summarize import Summarizer
from tests.decoding.tables import BEGIN, END, random_tables, search, search_params
from tests.model.tiny import every_network, tiny_params, with_biases
from tests.test_summarize import TEXTS, changed

ROOT = Path(__file__).parents[1]
SEARCH = changed(beam_size=4, max_tokens=12, min_tokens=2)


def summarizer(**network) -> Summarizer:
    tokenizer = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    model = with_biases(SummarizerModel(tiny_params(**network), tokenizer.vocab_size))
    # Random weights as they start would write whatever is nearest to the mean; these have opinions.
    for parameter in model.parameters():
        parameter.data.mul_(2.0)
    return Summarizer(model, tokenizer, max_source_tokens=30, search=SEARCH)


@every_network
def test_the_exported_form_writes_the_same_summaries(tmp_path, network):
    original = summarizer(**network)
    assert export(original, tmp_path / "exported") == {}
    documents = [*TEXTS, "maps", " "]
    expected = original.summarize(documents, SEARCH)
    found = PortableSummarizer(tmp_path / "exported").summarize(documents)
    assert len({summary.text for summary in expected}) > 2
    assert [summary.text for summary in found] == [summary.text for summary in expected]
    assert [summary.truncated for summary in found] == [summary.truncated for summary in expected]
    assert [summary.score for summary in found] == pytest.approx([summary.score for summary in expected], abs=1e-4)


def test_the_exported_form_keeps_to_the_same_shortlist(tmp_path):
    original = summarizer()
    original.search = short = SEARCH.model_copy(update={"shortlist": 9})
    assert export(original, tmp_path / "exported") == {}
    expected = original.summarize(TEXTS, short)
    assert [one.text for one in PortableSummarizer(tmp_path / "exported").summarize(TEXTS)] == [
        one.text for one in expected
    ]
    assert [one.text for one in expected] != [one.text for one in original.summarize(TEXTS, SEARCH)]


def test_a_folder_with_anything_else_in_it_is_refused_and_an_earlier_export_replaced(tmp_path):
    original, folder = summarizer(), tmp_path / "exported"
    export(original, folder)
    export(original, folder, quantize=True)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"exported: holds thesis\.txt, which is no part of an export"):
        export(original, folder)
    assert (folder / "thesis.txt").read_text() == "mine"


def probabilities(folder: Path) -> np.ndarray:
    """Those of a summary's first pieces, each document's [V] under the next."""
    exported = PortableSummarizer(folder)
    rows = []
    for ids in exported.tokenizer.encode_batch(TEXTS):
        states, keys, *state = exported._encoder(None, {"source_ids": np.array([ids])})
        inputs = {"latest_ids": np.array([[BOS]]), "source_ids": np.array([ids]), "states": states, "keys": keys}
        rows.append(exported._step(None, inputs | dict(zip(STATE_NAMES, state, strict=True)))[0][0, 0])
    return np.exp(rows)


def test_quantized_the_output_projection_alone_is_rounded_and_the_probabilities_hardly_change(tmp_path):
    original = summarizer()
    export(original, tmp_path / "whole")
    export(original, tmp_path / "quantized", quantize=True)
    whole, quantized = (probabilities(tmp_path / name) for name in ("whole", "quantized"))
    assert quantized.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert 0 < np.abs(quantized - whole).sum(axis=1).max() < 0.05
    graph = onnx.load(tmp_path / "quantized/step.onnx").graph
    weights = [one for one in graph.initializer if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 2]
    assert [sorted(one.dims) for one in weights] == [sorted(original.model.embedding.weight.shape)]


@settings(max_examples=100, deadline=None)
@given(
    scores=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=300),
                  elements=st.floats(-9.0, 0.0) | st.just(-np.inf)),
    count=st.integers(1, 20),
)  # fmt: skip
def test_the_best_scores_are_those_that_sorting_finds(scores, count):
    best, beams, pieces = _best(scores, count)
    assert best.tolist() == sorted(scores.ravel().tolist(), reverse=True)[:count]
    assert scores[beams, pieces].tolist() == best.tolist()
    assert len({*zip(beams.tolist(), pieces.tolist(), strict=True)}) == len(best)


def test_it_runs_where_there_is_no_torch(tmp_path):
    original = summarizer()
    export(original, tmp_path / "exported")
    (tmp_path / "torch.py").write_text("raise ImportError('there is no torch here')")
    done = subprocess.run(
        [sys.executable, "-m", "seq2sum.portable", str(tmp_path / "exported")],
        input=TEXTS[0], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"},
    )  # fmt: skip
    assert done.stdout == original.summarize([TEXTS[0]], SEARCH)[0].text + "\n", done.stderr


def test_what_the_exported_form_lacks_is_told_and_refused(tmp_path):
    original = summarizer()
    original.search = changed(risk_samples=4, block_ngrams=3)
    assert export(original, tmp_path / "exported") == {"risk_samples": 4, "block_ngrams": 3}
    facts = tmp_path / "exported/export.json"
    facts.write_text(facts.read_text().replace('"max_words": 0', '"max_words": 5'))
    with pytest.raises(UserError, match="max_words"):
        PortableSummarizer(tmp_path / "exported").summarize(TEXTS)
    (tmp_path / "exported/step.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"step\.onnx"):
        PortableSummarizer(tmp_path / "exported")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), beam_size=st.integers(1, 5), max_tokens=st.integers(1, 6),
    min_tokens=st.integers(0, 1), length_penalty=st.sampled_from([0.0, 0.6, 1.5]),
)  # fmt: skip
def test_both_searches_find_the_same(seed, **params):
    table = random_tables(1, 6, seed)
    expected = search(table, **params)[0]

    def step(latest_ids, state):
        return np.log(table[0].numpy()[latest_ids]), state

    found = beam_search(step, [], search_params(**params), BEGIN, END, (BEGIN,))[: params["beam_size"]]
    scores = [hypothesis.score for hypothesis in expected]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(scores, abs=1e-5)
    # The same pieces in another order often score the same, and which of such is kept is up to rounding: so the scores
    # are compared, and each must be that of the pieces it stands with.
    for one in found:
        steps = table[0][[BEGIN, *one.ids], [*one.ids, END]].log().sum()
        assert one.score == pytest.approx(
            float(steps) / length_penalty(len(one.ids) + 1, params["length_penalty"]), abs=1e-5
        )
    assert len({tuple(one.ids) for one in found}) == len(found)
