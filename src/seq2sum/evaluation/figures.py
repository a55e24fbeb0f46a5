"""The evaluation's pictures, drawn from the same numbers as its CSV files. The only file that knows matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seq2sum.evaluation.plot_data import Curve, Histogram

# Okabe and Ito's palette: told apart by the colour-blind too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def draw_curves(path: Path, curves: Mapping[str, Curve]) -> None:
    """The training's losses by step above, its learning rate below."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for axes, label, ending in ((above, "loss", "loss"), (below, "learning rate", "learning_rate")):
        chosen = {name: curve for name, curve in curves.items() if name.endswith(ending)}
        for colour, (name, (steps, values)) in zip(_COLOURS, chosen.items(), strict=False):
            marker = "o" if len(steps) < 40 else None
            axes.plot(steps, values, label=name, color=colour, linewidth=1.5, marker=marker, markersize=3)
        _finish(axes, "", label, legend=bool(chosen))
    below.set_xlabel("optimizer step")
    figure.suptitle("Training")
    _save(figure, path)


def draw_lengths(path: Path, documents: Histogram, summaries: Mapping[str, Histogram]) -> None:
    """Histograms of document lengths, and of summary lengths by system."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.stairs(documents.counts, documents.edges, fill=True, color=_COLOURS[0], alpha=0.8)
    _finish(left, "words in the document", "test pairs", legend=False)
    for colour, (name, histogram) in zip(_COLOURS, summaries.items(), strict=False):
        right.stairs(histogram.counts, histogram.edges, label=name, color=colour, linewidth=1.8)
    _finish(right, "words in the summary", "test pairs", legend=True)
    figure.suptitle("Lengths (the last bar holds the longest 1 %)")
    _save(figure, path)


def draw_scores_by_length(path: Path, mean_words: Sequence[float], scores: Mapping[str, Sequence[float]]) -> None:
    """Mean ROUGE-1 of each system in groups of documents of like length."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for colour, (name, values) in zip(_COLOURS, scores.items(), strict=False):
        axes.plot(mean_words, values, label=name.replace("_", " "), color=colour, marker="o", linewidth=1.5)
    axes.set_ylim(bottom=0)
    _finish(axes, "words in the document (mean of its group)", "ROUGE-1 F1 × 100", legend=False)
    figure.legend(loc="outside lower center", ncols=len(scores), frameon=False)
    figure.suptitle("Scores by document length")
    _save(figure, path)


def draw_score_differences(
    path: Path, differences: NDArray[np.float64], gains: Mapping[str, tuple[float, float, float]]
) -> None:
    """Challenger less champion: ROUGE-1 of each pair, and each ROUGE type's mean with its interval.

    ``differences``: shape (pairs,). ``gains``: name to (mean, low, high).
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(differences, bins=np.linspace(-102.5, 102.5, 42), color=_COLOURS[0], alpha=0.8)
    left.set_yscale("symlog")
    _finish(left, "ROUGE-1 of the challenger less the champion's", "test pairs", legend=False)
    for row, (mean, low, high) in enumerate(gains.values()):
        right.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="o", color=_COLOURS[1], capsize=4)
    right.axvline(0, color="black", linewidth=0.8)
    right.set_yticks(range(len(gains)), list(gains))
    right.set_ylim(len(gains) - 0.5, -0.5)
    _finish(right, "mean gain in points, with its 95 % interval", "", legend=False)
    figure.suptitle("Score differences on the same test pairs")
    _save(figure, path)


def _finish(axes: Axes, x_label: str, y_label: str, *, legend: bool) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if legend:
        axes.legend(frameon=False)


def _save(figure: Figure, path: Path) -> None:
    # Without matplotlib's name and version in it, the same numbers give the same bytes.
    figure.savefig(path, dpi=120, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
