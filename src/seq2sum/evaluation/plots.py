"""The plots folder: for each plot its numbers (CSV) and its picture (PNG)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from seq2sum.evaluation.figures import curves_figure, lengths_figure, save_png, scores_by_length_figure
from seq2sum.evaluation.plot_data import count_words, curves_of, length_histograms, scores_by_length, write_csv
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs
from seq2sum.files import replaced_folder


def write_plots(
    folder: Path, journal: Iterable[tuple[str, int, float]], documents: Sequence[str], outputs: SystemOutputs
) -> None:
    """Writes all plots, atomically. ``journal`` is a training's (name, step, value) points."""
    with replaced_folder(folder) as beside:
        _write_curves(beside, journal)
        _write_lengths(beside, documents, outputs)
        _write_scores_by_length(beside, documents, outputs)


def _write_curves(folder: Path, journal: Iterable[tuple[str, int, float]]) -> None:
    curves = curves_of(journal)
    for name, curve in curves.items():
        write_csv(folder / f"{name.replace('/', '_')}.csv", {"step": curve.steps, "value": curve.values})
    save_png(curves_figure(curves), folder / "curves.png")


def _write_lengths(folder: Path, documents: Sequence[str], outputs: SystemOutputs) -> None:
    of_documents = length_histograms({"documents": count_words(documents)})["documents"]
    summaries = length_histograms(
        {"reference": count_words(outputs.references), MODEL: count_words(outputs.hypotheses[MODEL])}
    )
    first = summaries["reference"]
    write_csv(folder / "document_lengths.csv", {"words": of_documents.edges[:-1], "pairs": of_documents.counts})
    write_csv(
        folder / "summary_lengths.csv",
        {"words": first.edges[:-1], **{name: histogram.counts for name, histogram in summaries.items()}},
    )
    save_png(lengths_figure(of_documents, summaries), folder / "lengths.png")


def _write_scores_by_length(folder: Path, documents: Sequence[str], outputs: SystemOutputs) -> None:
    groups = scores_by_length(
        count_words(documents), {name: scores.values["rouge1"] for name, scores in outputs.scores.items()}
    )
    write_csv(
        folder / "scores_by_length.csv",
        {"document_words": groups.mean_words, "num_pairs": groups.num_pairs, **groups.scores},
    )
    save_png(scores_by_length_figure(groups.mean_words, groups.scores), folder / "scores_by_length.png")
