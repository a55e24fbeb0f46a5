import pytest

from seq2sum.evaluation.summary_statistics import summary_statistics

DOCUMENT = "The old mill stands by the river."


def measure(hypotheses: list[str], references: list[str]) -> dict[str, float]:
    documents = [DOCUMENT] * len(hypotheses)
    return summary_statistics({"model": hypotheses}, documents, references, num_workers=1)["model"]


def test_a_case_counted_by_hand() -> None:
    # Words: the mill by the sea the mill. Copied: the, mill, "by the", the, mill. Fragments: 1 1 2 1 1 of 7 words.
    # Bigrams: the-mill mill-by BY-THE the-sea sea-the the-mill, one of them in the document; the-mill comes again.
    found = measure(["The mill by the sea, the mill"], ["A mill by the sea"])
    assert found == pytest.approx(
        {
            "mean_words": 7,
            "length_ratio": 7 / 5,
            "empty_share": 0,
            "copy_rate": 6 / 7,
            "copy_density": (1 + 1 + 4 + 1 + 1) / 7,
            "novel_1_grams": 1 / 7,
            "novel_2_grams": 5 / 6,
            "novel_3_grams": 1,
            "repeated_1_grams": 3 / 7,
            "repeated_2_grams": 1 / 6,
            "repeated_3_grams": 0,
            "unsupported": 0,
        }
    )


def test_summaries_too_short_for_a_measure_are_left_out_of_its_mean() -> None:
    found = measure(["", "sea", "sea wind"], ["a b", "a b", "a b"])
    assert found["empty_share"] == pytest.approx(1 / 3)
    assert found["mean_words"] == 1
    assert found["length_ratio"] == pytest.approx(3 / 6)
    assert found["novel_1_grams"] == 1  # of two summaries
    assert found["novel_2_grams"] == 1  # of one
    assert found["novel_3_grams"] == 0  # of none
    assert found["copy_rate"] == 0


def test_each_system_has_its_own() -> None:
    systems = {"copy": [DOCUMENT, DOCUMENT], "invent": ["sea wind", "wind"], "empty": ["", ""]}
    found = summary_statistics(systems, [DOCUMENT] * 2, ["mill", "river"], num_workers=1)
    assert [found[name]["copy_rate"] for name in systems] == [1, 0, 0]
    assert [found[name]["novel_1_grams"] for name in systems] == [0, 1, 0]
    assert [found[name]["empty_share"] for name in systems] == [0, 0, 1]
    assert [found[name]["mean_words"] for name in systems] == [7, 1.5, 0]


def test_numbers_and_names_that_the_document_lacks_are_told() -> None:
    found = measure(["The Mill has 3 wheels", "Rhine and mill", "the river"], ["a", "b", "c"])
    assert found["unsupported"] == pytest.approx((1 / 2 + 0 + 0) / 3)
