import csv
from pathlib import Path

import numpy as np
import pytest

from seq2sum.evaluation.figures import as_svg, bars_figure, intervals_figure, save_png, score_differences_figure
from seq2sum.evaluation.plot_data import curves_of, length_histograms, scores_by_length
from seq2sum.evaluation.plots import write_plots
from tests.evaluation.texts import make_outputs

PNG = b"\x89PNG\r\n\x1a\n"
JOURNAL = [
    ("train/loss", 10, 5.0),
    ("train/learning_rate", 10, 0.001),
    ("train/loss", 20, 4.0),
    ("train/learning_rate", 20, 0.002),
    ("validation/loss", 20, 4.5),
]


def read_csv(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def test_curves_keep_each_names_own_steps_and_leave_out_what_is_not_finite() -> None:
    curves = curves_of([*JOURNAL, ("train/loss", 30, float("nan")), ("train/loss", 40, float("inf"))])
    assert curves == {
        "train/loss": ([10, 20], [5.0, 4.0]),
        "train/learning_rate": ([10, 20], [0.001, 0.002]),
        "validation/loss": ([20], [4.5]),
    }


@pytest.mark.parametrize("longest", [0, 5, 39, 40, 79, 1_000])
def test_histograms_count_every_text_between_common_edges(longest: int) -> None:
    lengths = {"a": np.arange(longest + 1), "b": np.array([longest] * 3)}
    histograms = length_histograms(lengths)
    np.testing.assert_array_equal(histograms["a"].edges, histograms["b"].edges)
    assert len(histograms["a"].counts) <= 41
    for name, histogram in histograms.items():
        assert histogram.counts.sum() == len(lengths[name])
    if longest < 40:  # then each length has its own bar
        assert histograms["a"].counts.tolist() == [1] * (longest + 1)


def test_one_giant_does_not_flatten_a_histogram() -> None:
    histogram = length_histograms({"a": np.array([*range(20)] * 10 + [100_000])})["a"]
    assert histogram.edges[-1] == 20
    assert histogram.counts.sum() == 201


def test_scores_by_length_are_means_of_groups_of_equal_size() -> None:
    lengths = np.array([9, 1, 5, 7, 3, 2, 8, 4, 6, 10, 12, 11])
    groups = scores_by_length(lengths, {"model": 10.0 * lengths})
    assert sum(groups.num_pairs) == 12
    assert set(groups.num_pairs) == {1, 2}
    assert groups.mean_words == sorted(groups.mean_words)
    assert groups.scores["model"] == pytest.approx([10 * mean for mean in groups.mean_words])
    few = scores_by_length(np.array([4, 2]), {"model": np.array([1.0, 3.0])})
    assert few == ([2.0, 4.0], [1, 1], {"model": [3.0, 1.0]})


def test_the_plots_folder_has_numbers_and_a_picture_for_each_plot(tmp_path: Path) -> None:
    documents, outputs = make_outputs(15)
    folder = tmp_path / "plots"
    write_plots(folder, JOURNAL, documents, outputs)
    assert read_csv(folder / "train_loss.csv") == [{"step": 10, "value": 5.0}, {"step": 20, "value": 4.0}]
    assert read_csv(folder / "validation_loss.csv") == [{"step": 20, "value": 4.5}]
    assert sum(row["pairs"] for row in read_csv(folder / "document_lengths.csv")) == 15
    lengths = read_csv(folder / "summary_lengths.csv")
    assert sum(row["reference"] for row in lengths) == sum(row["model"] for row in lengths) == 15
    groups = read_csv(folder / "scores_by_length.csv")
    mean = sum(row["num_pairs"] * row["oracle"] for row in groups) / 15
    assert mean == pytest.approx(outputs.scores["oracle"].means()["rouge1"])
    pictures = sorted(folder.glob("*.png"))
    assert [picture.stem for picture in pictures] == ["curves", "lengths", "scores_by_length"]
    assert all(picture.read_bytes().startswith(PNG) for picture in pictures)


def test_the_same_numbers_give_the_same_bytes_and_replace_what_was_there(tmp_path: Path) -> None:
    documents, outputs = make_outputs(4)
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "stale.csv").touch()
    for folder in (first, second):
        write_plots(folder, [], documents, outputs)
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, second)]
    assert contents[0] == contents[1]
    assert "train_loss.csv" not in contents[0]


def test_score_differences_are_drawn_even_where_there_are_none(tmp_path: Path) -> None:
    for name, differences in {"some": np.array([-100.0, 0.0, 5.0, 100.0]), "none": np.zeros(3)}.items():
        save_png(score_differences_figure(differences, {"ROUGE-1": (1.0, -0.5, 2.5)}), tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)


def test_svg_has_its_words_as_text_and_the_same_bytes_for_the_same_numbers() -> None:
    systems = {"model": {"ROUGE-1": [40.0, 39.0, 41.0]}, "lead": {"ROUGE-1": [34.0, 33.5, 34.5]}}
    pictures = []
    for _ in range(2):
        figures = (intervals_figure(systems, "F1 × 100"), bars_figure([0, 5], {"pairs": [1, 2]}, "words", "pairs"))
        pictures.append([as_svg(figure) for figure in figures])
    assert pictures[0] == pictures[1]
    assert all(word in pictures[0][0] for word in ("model", "lead", "ROUGE-1", "F1 × 100"))
    assert "words" in pictures[0][1]
