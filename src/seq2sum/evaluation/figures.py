"""The pictures of evaluation, report and gate, as files or as SVG. The only file that knows matplotlib."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seq2sum.evaluation.plot_data import Curve, Histogram

# Okabe and Ito's palette: told apart by the colour-blind too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Narrow enough to be read on a telephone.
_WIDTH = 5.2


def curves_figure(curves: Mapping[str, Curve]) -> Figure:
    """The training's losses by step above, its learning rate below."""
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for axes, label, ending in ((above, "loss", "loss"), (below, "learning rate", "learning_rate")):
        chosen = {name: curve for name, curve in curves.items() if name.endswith(ending)}
        for colour, (name, (steps, values)) in zip(_COLOURS, chosen.items(), strict=False):
            marker = "o" if len(steps) < 40 else None
            axes.plot(steps, values, label=name, color=colour, linewidth=1.5, marker=marker, markersize=3)
        _finish(axes, "", label, legend=bool(chosen))
    below.set_xlabel("optimizer step")
    figure.suptitle("Training")
    return figure


def lengths_figure(documents: Histogram, summaries: Mapping[str, Histogram]) -> Figure:
    """Histograms of document lengths, and of summary lengths by system."""
    figure = Figure(figsize=(_WIDTH, 5), layout="constrained")
    above, below = figure.subplots(2, 1)
    above.stairs(documents.counts, documents.edges, fill=True, color=_COLOURS[0], alpha=0.8)
    _finish(above, "words in the document", "test pairs", legend=False)
    for colour, (name, histogram) in zip(_COLOURS, summaries.items(), strict=False):
        below.stairs(histogram.counts, histogram.edges, label=name, color=colour, linewidth=1.8)
    _finish(below, "words in the summary", "test pairs", legend=True)
    figure.suptitle("Lengths (the last bar holds the longest 1 %)")
    return figure


def bars_figure(starts: Sequence[float], counts: Mapping[str, Sequence[float]], x_label: str, y_label: str) -> Figure:
    """Counts in bars of equal width that begin at ``starts``, an outline for each series."""
    figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    edges = [*starts, starts[-1] + (starts[1] - starts[0] if len(starts) > 1 else 1)]
    for colour, (name, values) in zip(_COLOURS, counts.items(), strict=False):
        axes.stairs(values, edges, fill=len(counts) == 1, label=name.replace("_", " "), color=colour, linewidth=1.8)
    _finish(axes, x_label, y_label, legend=len(counts) > 1)
    return figure


def intervals_figure(systems: Mapping[str, Mapping[str, Sequence[float]]], x_label: str) -> Figure:
    """For each system, the first uppermost, each score's mean within its interval: (mean, low, high) by name."""
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.5 * len(systems)), layout="constrained")
    axes = figure.subplots()
    kinds = list(next(iter(systems.values())))
    for number, (colour, kind) in enumerate(zip(_COLOURS, kinds, strict=False)):
        rows = np.arange(len(systems)) + 0.2 * (number - (len(kinds) - 1) / 2)
        mean, low, high = np.array([scores[kind] for scores in systems.values()]).T
        axes.errorbar(mean, rows, xerr=[mean - low, high - mean], fmt="o", ms=4, color=colour, capsize=3, label=kind)
    axes.set_yticks(range(len(systems)), list(systems))
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_xlim(left=0)
    _finish(axes, x_label, "", legend=False)
    figure.legend(loc="outside upper center", ncols=len(kinds), frameon=False)
    return figure


def scores_by_length_figure(mean_words: Sequence[float], scores: Mapping[str, Sequence[float]]) -> Figure:
    """Mean ROUGE-1 of each system in groups of documents of like length."""
    figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    for colour, (name, values) in zip(_COLOURS, scores.items(), strict=False):
        axes.plot(mean_words, values, label=name.replace("_", " "), color=colour, marker="o", linewidth=1.5)
    axes.set_ylim(bottom=0)
    _finish(axes, "words in the document (mean of its group)", "ROUGE-1 F1 × 100", legend=False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Scores by document length")
    return figure


def score_differences_figure(
    differences: NDArray[np.float64], gains: Mapping[str, tuple[float, float, float]]
) -> Figure:
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
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Writes a picture. Without matplotlib's name and version in it, the same numbers give the same bytes."""
    figure.savefig(path, dpi=120, metadata={"Software": None})


def as_svg(figure: Figure) -> str:
    """A picture as SVG with its text as text; without date and random ids, so the same numbers give the same bytes."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "seq2sum", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _finish(axes: Axes, x_label: str, y_label: str, *, legend: bool) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if legend:
        axes.legend(frameon=False)
