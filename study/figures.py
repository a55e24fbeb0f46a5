"""The page's pictures, as SVG."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.results import Measured, Results, mean_score

# Okabe and Ito's palette: told apart by the colour-blind too.
COLOURS = {
    "rnn": "#D55E00",
    "lstm": "#0072B2",
    "bilstm": "#009E73",
    "conv_bilstm": "#CC79A7",
    "feedforward": "#E69F00",
}
GREY = "#666666"


def accuracy_figure(results: Results, chance: float) -> str:
    """Accuracy on the recall task against the lag, a line per encoder and seed."""
    figure, (axes,) = _axes(1)
    for encoder, runs in results.recall.items():
        for number, run in enumerate(runs):
            _by_lag(axes, encoder, run["accuracy"], label=number == 0)
    axes.axhline(chance, color=GREY, linestyle=":", label="chance")
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, "lag", "share of right answers")
    return _svg(figure)


def gradient_figure(results: Results) -> str:
    """The gradient at the symbol against the lag, before and after training, on one scale down to 1e-20."""
    figure, both = _axes(2, sharey=True)
    for axes, when in zip(both, ("before", "after"), strict=True):
        for encoder, runs in results.recall.items():
            for number, run in enumerate(runs):
                _by_lag(axes, encoder, run["gradient"][when], label=number == 0)
        axes.set_yscale("log")
        axes.set_ylim(1e-20, 10.0)
        axes.set_title(f"{when} training")
        _finish(axes, "lag", "gradient at the symbol")
    return _svg(figure)


def forget_gate_figure(results: Results) -> str:
    """The distribution of the forget gate's values by seed, and the gate over one sequence."""
    figure, (left, right) = _axes(2)
    for run in results.recall["lstm"]:
        counts = np.array(run["forget_gate"]["histogram"])
        left.stairs(counts / counts.sum(), np.linspace(0, 1, len(counts) + 1), label=f"seed {run['seed']}")
    _finish(left, "value of the forget gate", "share of values")
    example = np.array(results.recall["lstm"][0]["forget_gate"]["example"]).T
    units = example[np.argsort(example.mean(axis=1))]
    image = right.imshow(units, aspect="auto", vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    figure.colorbar(image, ax=right, label="forget gate")
    right.set_xlabel("position (the symbol stands at 1)")
    right.set_ylabel("unit, the most forgetful first")
    return _svg(figure)


def training_figure(results: Results) -> str:
    """Validation loss on the corpus against CPU time."""
    figure, (axes,) = _axes(1)
    for encoder, run in results.corpus.items():
        seconds = [run["cpu_seconds"] * step / run["steps"] for step in run["validation"]["steps"]]
        axes.plot(seconds, run["validation"]["losses"], color=COLOURS[encoder], marker="o", markersize=3, label=encoder)
    _finish(axes, "CPU seconds of training", "validation loss")
    return _svg(figure)


def size_figure(results: Results) -> str:
    """ROUGE-1 against the number of training pairs."""
    figure, (axes,) = _axes(1)
    for encoder, runs in results.sizes.items():
        pairs, means = [run["num_pairs"] for run in runs], [mean_score(run) for run in runs]
        axes.plot(pairs, means, color=COLOURS[encoder], marker="o", label=encoder)
    lead = mean_score(next(iter(results.corpus.values())), system="lead")
    axes.axhline(lead, color=GREY, linestyle=":", label="lead baseline")
    axes.set_xscale("log")
    _finish(axes, "training pairs", "ROUGE-1 F1 × 100")
    return _svg(figure)


def cost_figure(results: Results) -> str:
    """Time per token against row length; solid on one thread, dashed on all."""
    figure, (axes,) = _axes(1)
    for encoder, cost in results.cost["encoders"].items():
        by_threads: Mapping[str, Mapping[str, float]] = cost["seconds_per_token"]
        for threads, line in zip(sorted(by_threads, key=int), ("-", "--"), strict=False):
            lengths = sorted(by_threads[threads], key=int)
            microseconds = [by_threads[threads][length] * 1e6 for length in lengths]
            label = encoder if line == "-" else None
            axes.plot(list(map(int, lengths)), microseconds, line, color=COLOURS[encoder], marker="o", label=label)
    axes.set_yscale("log")
    _finish(axes, "row length (equal tokens in a batch)", "µs a token")
    return _svg(figure)


def decoder_figure(results: Results) -> str:
    """Time of a batch against the number of decoder steps."""
    figure, (axes,) = _axes(1)
    steps = sorted(results.cost["decoder"], key=int)
    for name, colour in (("stepwise", "#D55E00"), ("at_once", "#0072B2")):
        milliseconds = [results.cost["decoder"][count][name] * 1e3 for count in steps]
        axes.plot(list(map(int, steps)), milliseconds, color=colour, marker="o", label=name.replace("_", " "))
    axes.set_ylim(bottom=0)
    _finish(axes, "decoder steps", "ms a batch, forward and backward")
    return _svg(figure)


def _by_lag(axes: Axes, encoder: str, values: Measured, *, label: bool) -> None:
    lags = sorted(values, key=int)
    points = [values[lag] for lag in lags]
    name = encoder if label else None
    axes.plot(list(map(int, lags)), points, color=COLOURS[encoder], marker="o", markersize=3, alpha=0.8, label=name)
    axes.set_xscale("log")
    axes.set_xticks(list(map(int, lags)), lags)
    axes.minorticks_off()


def _axes(count: int, *, sharey: bool = False) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(5.5 * count, 3.6), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False, sharey=sharey)[0])


def _finish(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize="small")


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    # Without dates and random ids the same numbers give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "study", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
