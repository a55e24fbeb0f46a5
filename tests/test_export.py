"""The exported form against the model that it was made of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum.data.tokenizer import Tokenizer
from seq2sum.errors import UserError
from seq2sum.export import export
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.portable import PortableSummarizer, beam_search
from seq2sum.summarize import Summarizer
from tests.decoding.tables import BEGIN, END, random_tables, search, search_params
from tests.model.tiny import every_network, tiny_params
from tests.test_summarize import TEXTS, changed

ROOT = Path(__file__).parents[1]
SEARCH = changed(beam_size=4, max_tokens=12, min_tokens=2)


def summarizer(**network) -> Summarizer:
    tokenizer = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    model = SummarizerModel(tiny_params(**network), tokenizer.vocab_size)
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
    assert [hypothesis.ids for hypothesis in found] == [hypothesis.ids for hypothesis in expected]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(
        [hypothesis.score for hypothesis in expected], abs=1e-5
    )
