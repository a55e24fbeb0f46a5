import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2sum import summarize as summarize_module
from seq2sum.config import SearchParams
from seq2sum.data.support import ordinary_words, unsupported_claims
from seq2sum.data.tokenizer import NUM_SPECIAL, Tokenizer
from seq2sum.errors import UserError
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.scorer import Scorer, can_be_generated
from seq2sum.summarize import Summarizer, save_search
from tests.decoding.tables import search_params
from tests.model.tiny import tiny_params, with_biases

TEXTS = [
    "a small tool that draws trees and graphs on the terminal",
    "library for reading and writing tables; it knows many formats",
    "The quick brown fox jumps over the lazy dog. It does so twice a day.",
    "server for maps",
]
SEARCH = search_params(beam_size=3, length_penalty=0.6, min_tokens=1, max_tokens=8)


def changed(**changes):
    return SearchParams.model_validate(SEARCH.model_dump() | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tokenizer = Tokenizer.train(TEXTS, vocab_size=320, min_frequency=2)
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("model")
    save_model(path, with_biases(SummarizerModel(tiny_params(), tokenizer.vocab_size)), tokenizer, max_source_tokens=30)
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
    # With all that is said of one document alone, and documents that are done at different steps.
    guarded = changed(source_support=True, block_ngrams=2, min_tokens=1, max_tokens=12)
    texts = [*TEXTS, "Route 66 was closed in May 1985.", "In May Quebec counted 12,500 boats."]
    together_guarded = [summary.text for summary in summarizer.summarize(texts, guarded)]
    assert together_guarded == [summarizer.summarize([text], guarded)[0].text for text in texts]
    assert len({len(text) for text in together_guarded}) > 1
    for one, other in zip(together, alone, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
    assert len({summary.text for summary in together}) > 1


def test_many_short_documents_are_decoded_within_the_bound_and_to_the_same_summaries(folder, monkeypatch):
    """The bound counts rows × beam × vocabulary, whichever of beam and draws is the larger."""
    summarizer = Summarizer.load(folder)
    documents = [*TEXTS, *TEXTS[:3]]
    for search in (SEARCH, changed(risk_samples=5)):
        whole = summarizer.summarize(documents, search)
        sizes, step = [], Scorer.__call__

        def noting(*arguments, step=step, sizes=sizes):
            log_probs = step(*arguments)
            sizes.append(log_probs.numel())
            return log_probs

        bound = 2 * max(search.beam_size, search.risk_samples) * summarizer.tokenizer.vocab_size
        monkeypatch.setattr(summarize_module, "BATCH_PROBABILITIES", bound)
        monkeypatch.setattr(Scorer, "__call__", noting)
        bounded = summarizer.summarize(documents, search)
        monkeypatch.undo()
        assert [one.text for one in bounded] == [one.text for one in whole]
        assert 0 < max(sizes) <= bound


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
        for summary in summarizer.summarize(TEXTS, changed(min_tokens=min_tokens, max_tokens=max_tokens)):
            assert min_tokens <= len(summary.ids) <= max_tokens
            assert summarizer.tokenizer.decode(summary.ids).strip() == summary.text


def test_the_best_are_sorted_and_spelled_differently_and_the_first_is_the_summary(folder):
    summarizer = Summarizer.load(folder)
    for found, summary in zip(
        summarizer.summarize_best(TEXTS, SEARCH, 3), summarizer.summarize(TEXTS, SEARCH), strict=True
    ):
        assert len({one.text for one in found}) == len(found) > 1
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert found[0].score >= summary.score  # a search for more goes on longer
    assert [[one.text for one in found] for found in summarizer.summarize_best([""], SEARCH, 3)] == [[""]]
    with pytest.raises(UserError, match="4 summaries want a beam"):
        summarizer.summarize_best(TEXTS, SEARCH, 4)


def test_limits_in_words_and_source_support_are_kept_by_any_model(folder):
    summarizer = Summarizer.load(folder)
    pieces = summarizer.tokenizer.piece_bytes()
    summarizer.model.output_bias.data[[pieces.index(piece) for piece in (b" ", b"7", b"X", b"g")]] += 20.0
    search = changed(min_tokens=8, max_tokens=20, block_ngrams=2)
    limited = search.model_copy(update={"max_words": 2, "source_support": True})
    for document, free, found in zip(
        TEXTS, summarizer.summarize(TEXTS, search), summarizer.summarize_best(TEXTS, limited, 3), strict=True
    ):
        assert len(free.text.split()) > 2
        assert unsupported_claims(free.text, document)
        for summary in found:
            assert len(summary.text.split()) <= 2
            assert unsupported_claims(summary.text, document, ordinary_words(pieces)) == []


def test_a_shortlist_of_everything_changes_nothing_and_a_short_one_keeps_to_its_pieces_and_the_document_s(folder):
    summarizer = Summarizer.load(folder)
    whole = summarizer.summarize(TEXTS, SEARCH)
    assert summarizer.summarize(TEXTS, changed(shortlist=10_000)) == whole
    generated = set(can_be_generated(summarizer.model, 9, range(NUM_SPECIAL)).nonzero().flatten().tolist())
    short = changed(shortlist=9)
    together = summarizer.summarize(TEXTS, short)
    for document, summary in zip(TEXTS, together, strict=True):
        assert {*summary.ids} <= {*generated, *summarizer.tokenizer.encode(document)}
        alone = summarizer.summarize([document], short)[0]
        assert (alone.text, alone.score) == (summary.text, pytest.approx(summary.score, abs=1e-4))
    assert any(not {*summary.ids} <= generated for summary in together)
    assert [summary.text for summary in together] != [summary.text for summary in whole]


def test_what_watches_a_search_with_a_shortlist_reads_its_pieces(folder):
    summarizer = Summarizer.load(folder)
    seen: dict[int, list[str]] = {}
    greedy = changed(beam_size=1, shortlist=9)
    found = summarizer.summarize_best(
        TEXTS, greedy, 1, watch=lambda index, text: seen.setdefault(index, []).append(text)
    )
    for index, (best,) in enumerate(found):
        assert seen[index] == [summarizer.tokenizer.decode(best.ids[:n]).strip() for n in range(len(best.ids) + 1)]
        assert len(best.text) > 1


def test_with_a_shortlist_other_limits_hold_and_it_gives_way_before_they_do(folder, monkeypatch):
    summarizer = Summarizer.load(folder)
    limited = changed(shortlist=40, max_words=3, source_support=True, max_tokens=12)
    shortlists, search = [], summarizer._search
    monkeypatch.setattr(
        summarizer, "_search", lambda *args, **kw: shortlists.append(args[2].shortlist) or search(*args, **kw)
    )
    for document, (best, *_) in zip(TEXTS, summarizer.summarize_best(TEXTS, limited, 2), strict=True):
        assert len(best.text.split()) <= 3
        assert unsupported_claims(best.text, document, ordinary_words(summarizer.tokenizer.piece_bytes())) == []
    assert set(shortlists) <= {40, 0}
    # With none but the special pieces and the document's, no summary of 8 different pieces of a short document.
    shortlists.clear()
    unlike = changed(shortlist=1, block_ngrams=1, min_tokens=8)
    (summary,) = summarizer.summarize(["server for maps"], unlike)
    assert shortlists[:2] == [1, 0]
    assert len(set(summary.ids)) == len(summary.ids) >= 8


def test_support_is_of_the_whole_document_though_the_model_reads_its_beginning(folder):
    summarizer = Summarizer.load(folder)
    document = " ".join(TEXTS * 5)
    (summary,) = summarizer.summarize([document + " Quebec 7"], changed(source_support=True))
    assert summary.truncated
    assert unsupported_claims(summary.text, document + " Quebec 7") == []


def test_a_way_on_is_found_where_blocking_every_repetition_leaves_none(folder):
    summarizer = Summarizer.load(folder)
    num_pieces = summarizer.tokenizer.vocab_size
    (summary,) = summarizer.summarize(
        TEXTS[:1], changed(beam_size=1, block_ngrams=1, min_tokens=num_pieces, max_tokens=num_pieces)
    )
    assert len(summary.ids) == num_pieces


def test_of_several_documents_the_stuck_one_alone_is_searched_anew(folder, monkeypatch):
    summarizer = Summarizer.load(folder)
    search = changed(block_ngrams=2, min_tokens=4, max_tokens=6)
    expected = [summary.text for summary in summarizer.summarize(TEXTS, search)]
    find, asked = summarizer._search, []

    def find_none_for_the_second(texts, *arguments, **options):
        asked.append(list(texts))
        found = find(texts, *arguments, **options)
        return [[] if text == TEXTS[1] and len(asked) == 1 else one for text, one in zip(texts, found, strict=True)]

    monkeypatch.setattr(summarizer, "_search", find_none_for_the_second)
    found = [summary.text for summary in summarizer.summarize(TEXTS, search)]
    assert asked[1] == [TEXTS[1]]
    loose = search.model_copy(update={"block_ngrams": 0})
    monkeypatch.setattr(summarizer, "_search", find)
    assert found == [expected[0], summarizer.summarize(TEXTS[1:2], loose)[0].text, *expected[2:]]


@settings(max_examples=20)
@given(document=st.text(min_size=1).filter(str.strip), beam_size=st.integers(1, 3))
def test_no_document_of_any_script_gives_a_mark_for_the_unknown(folder, document, beam_size):
    (summary,) = Summarizer.load(folder).summarize([document], changed(beam_size=beam_size))
    assert all(piece >= NUM_SPECIAL for piece in summary.ids)


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


def test_by_risk_the_beam_is_ordered_by_expected_rouge(folder):
    summarizer = Summarizer.load(folder)
    search = changed(risk_samples=40)
    for text, best in zip(TEXTS, summarizer.summarize_best(TEXTS, search, 3), strict=True):
        likeliest = summarizer.summarize_best([text], changed(risk_samples=0), 3)[0]
        greedy = summarizer.summarize([text], changed(risk_samples=0, beam_size=1))[0]
        assert {summary.text for summary in best} <= {summary.text for summary in (*likeliest, greedy)}
        scores = [summary.score for summary in best]
        assert scores == sorted(scores, reverse=True)
        assert all(0.0 <= score <= 1.0 for score in scores)


def test_a_risk_depends_on_its_document_and_seed_alone(folder):
    summarizer = Summarizer.load(folder)
    search = changed(risk_samples=4)
    together = summarizer.summarize_best(TEXTS, search, 3)
    alone = [summarizer.summarize_best([text], search, 3)[0] for text in TEXTS]
    assert [[one.text for one in best] for best in together] == [[one.text for one in best] for best in alone]
    other = summarizer.summarize_best(TEXTS, changed(risk_samples=4, risk_seed=2), 3)
    assert [[one.score for one in best] for best in other] != [[one.score for one in best] for best in together]


@pytest.mark.parametrize("risk_samples", [0, 2])
def test_a_watcher_sees_each_summary_grow_and_changes_nothing(folder, risk_samples):
    summarizer, greedy = Summarizer.load(folder), changed(beam_size=1, risk_samples=risk_samples)
    seen = {number: [] for number in range(len(TEXTS))}
    found = summarizer.summarize_best(TEXTS, greedy, 1, watch=lambda place, text: seen[place].append(text))
    assert found == summarizer.summarize_best(TEXTS, greedy, 1)
    for place, (summary,) in enumerate(found):
        # A step before each piece, and one before the end.
        assert len(seen[place]) == len(summary.ids) + 1
        assert [summarizer.tokenizer.decode(summary.ids[:n]).strip() for n in range(len(seen[place]))] == seen[place]


def test_what_a_watcher_raises_ends_the_search(folder):
    def watch(_place, text):
        raise InterruptedError(text)

    with pytest.raises(InterruptedError):
        Summarizer.load(folder).summarize_best(TEXTS, SEARCH, 1, watch=watch)
