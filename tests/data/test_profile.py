import json
import math

import pytest

from seq2sum.data.pairs import Pair
from seq2sum.data.profile import Profile, profile_pairs


def pair(number: int, document: str, summary: str) -> Pair:
    return Pair(str(number), str(number), document, summary)


COPIED = pair(1, "The old mill burned down. Nobody was hurt.", "Old mill burned down")
NOVEL = pair(2, "The old mill burned down", "A fire")


@pytest.fixture
def profile() -> Profile:
    return profile_pairs(iter([COPIED, NOVEL]))


def test_measures_by_hand(profile: Profile) -> None:
    measures = {name: values.tolist() for name, values in profile.measures.items()}
    assert measures == {
        "document_words": [8, 5],
        "summary_words": [4, 2],
        "compression": [2, 2.5],
        "coverage": [1, 0],
        "density": [4, 0],
        "novel_1_grams": [0, 1],
        "novel_2_grams": [0, 1],
        "novel_3_grams": [0, pytest.approx(math.nan, nan_ok=True)],
    }


def test_summaries_too_short_for_an_n_gram_are_left_out_of_its_mean() -> None:
    profile = profile_pairs([pair(1, "some words here", "a whole new thing"), *[COPIED] * 3, *[NOVEL] * 6])
    measures = profile.summary()["measures"]
    assert measures["novel_2_grams"]["mean"] == 0.7
    assert measures["novel_3_grams"]["mean"] == 0.25
    assert sum(row["novel_3_grams"] for row in profile.histograms()["novelty"]) == 4
    short = profile_pairs([NOVEL]).summary()["measures"]
    assert (short["novel_2_grams"]["mean"], short["novel_3_grams"]["mean"]) == (1, 0)


def test_the_summary_gives_quantiles_and_vocabulary(profile: Profile) -> None:
    summary = profile.summary()
    of_lengths = summary["measures"]["document_words"]
    assert (of_lengths["min"], of_lengths["mean"], of_lengths["p50"], of_lengths["max"]) == (5, 6.5, 6.5, 8)
    assert summary["vocabulary"]["documents"] == {"num_words": 13, "num_distinct_words": 8, "coverage": {}}
    assert summary["vocabulary"]["summaries"]["num_distinct_words"] == 6
    json.dumps(summary, allow_nan=False)


def test_vocabulary_coverage_is_the_share_of_running_words() -> None:
    # 1,000 words five times and 500 words once: the most frequent 1,000 make up 5,000 of 5,500.
    often, rarely = [f"o{number}" for number in range(1000)], [f"r{number}" for number in range(500)]
    vocabulary = profile_pairs([pair(1, " ".join(often * 5 + rarely), "o1")]).summary()["vocabulary"]
    assert vocabulary["documents"]["coverage"] == {"1000": pytest.approx(5000 / 5500, abs=1e-4)}


def test_histograms_count_every_pair_once() -> None:
    lengths = [*range(5, 205), 5000]
    pairs = [pair(length, "word " * length, "word two three four") for length in lengths]
    histograms = profile_pairs(pairs).histograms()
    documents = histograms["document_words"]
    assert sum(row["pairs"] for row in documents) == len(lengths)
    width = documents[1]["words"]
    for row in documents[:-1]:
        assert row["pairs"] == sum(row["words"] <= length < row["words"] + width for length in lengths)
    assert len(documents) <= 40
    assert [row for row in histograms["summary_words"] if row["pairs"]] == [{"words": 4, "pairs": len(lengths)}]
    novelty = histograms["novelty"]
    assert {row["share"]: row["novel_1_grams"] for row in novelty if row["novel_1_grams"]} == {0.75: len(lengths)}
    assert {row["share"]: row["novel_2_grams"] for row in novelty if row["novel_2_grams"]} == {0.95: len(lengths)}
