import json

import numpy as np
import pytest
import torch

from seq2sum.config import SearchParams
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.errors import UserError
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.summarize import Summarizer, save_search
from tests.model.tiny import tiny_params

TEXTS = [
    "a small tool that draws trees and graphs on the terminal",
    "library for reading and writing tables; it knows many formats",
    "The quick brown fox jumps over the lazy dog. It does so twice a day.",
    "server for maps",
]
SEARCH = SearchParams(beam_size=3, length_penalty=0.6, min_tokens=1, max_tokens=8, block_ngrams=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tokenizer = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("model")
    save_model(path, SummarizerModel(tiny_params(), tokenizer.vocab_size), tokenizer, max_source_tokens=30)
    save_search(path, SEARCH)
    return path


def copy_of(folder, target):
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_summaries_come_in_order_and_do_not_depend_on_their_neighbours(folder):
    summarizer = Summarizer.load(folder)
    assert summarizer.search == SEARCH
    together = summarizer.summarize(TEXTS, SEARCH)
    alone = [summarizer.summarize([text], SEARCH)[0] for text in TEXTS]
    assert [summary.text for summary in together] == [summary.text for summary in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
    assert len({summary.text for summary in together}) > 1


def test_a_document_without_text_gets_an_empty_summary(folder):
    summaries = Summarizer.load(folder).summarize(["", TEXTS[0], " \n\t"], SEARCH)
    assert [summary.text == "" for summary in summaries] == [True, False, True]
    assert Summarizer.load(folder).summarize([], SEARCH) == []


def test_a_long_document_is_cut_and_says_so(folder):
    summarizer = Summarizer.load(folder)
    long = " ".join(TEXTS * 5)
    cut, fits = summarizer.summarize([long, TEXTS[3]], SEARCH)
    assert (cut.truncated, fits.truncated) == (True, False)
    head = summarizer.tokenizer.decode(summarizer.tokenizer.encode(long)[:30])
    assert summarizer.summarize([head], SEARCH)[0].text == cut.text


def test_lengths_are_kept(folder):
    summarizer = Summarizer.load(folder)
    for min_tokens, max_tokens in ((5, 6), (1, 2)):
        search = SEARCH.model_copy(update={"min_tokens": min_tokens, "max_tokens": max_tokens})
        for text in TEXTS:
            ids = summarizer._search([np.array(summarizer.tokenizer.encode(text)[:30])], search)[0][0].ids
            assert min_tokens <= len(ids) <= max_tokens


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_damaged_file_is_named(folder, tmp_path, name, damage):
    broken = copy_of(folder, tmp_path / "model")
    if damage == "missing":
        (broken / name).unlink()
    else:
        (broken / name).write_bytes((broken / name).read_bytes()[:-20])
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        Summarizer.load(broken)


def test_a_folder_of_another_format_is_refused(folder, tmp_path):
    broken = copy_of(folder, tmp_path / "model")
    facts = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(UserError, match="format 99"):
        Summarizer.load(broken)


def test_weights_of_another_size_are_refused(folder, tmp_path):
    broken = copy_of(folder, tmp_path / "model")
    facts = json.loads((broken / "model.json").read_text())
    facts["network"]["decoder_size"] = 12
    (broken / "model.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"model\.safetensors"):
        Summarizer.load(broken)
