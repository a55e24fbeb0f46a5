"""The report as one HTML file that needs no other: what the stages found, for a manager and for an engineer."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report.facts import CHAMPION, Facts
from pipeline.report.samples import Sample
from seq2sum.evaluation import figures
from seq2sum.evaluation.plot_data import count_words, curves_of, length_histograms, scores_by_length
from seq2sum.evaluation.rouge import ROUGE_TYPES
from seq2sum.evaluation.system_outputs import MODEL
from seq2sum.evaluation.table import ROUGE_NAMES, system_names

_HERE = Path(__file__).parent
_AXES = {
    "document_words": "words in the document",
    "summary_words": "words in the summary",
    "novelty": "share of n-grams that the document lacks",
}


def render(facts: Facts, samples: Mapping[str, Sequence[Sample]]) -> str:
    """The page. Each number of a JSON report stands in an element whose ``data-value`` is its path there."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    systems = _system_names(facts.numbers)
    return environment.get_template("page.html.jinja").render(
        **{"gate": None, **facts.numbers},
        value=_value_of(facts.numbers),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        figures={name: _data_uri(svg) for name, svg in _figures(facts).items()},
        systems=systems,
        texts={"reference": "reference"} | systems,
        rouge={kind: ROUGE_NAMES[kind] for kind in ROUGE_TYPES},
        samples=samples,
        num_zero=int((facts.outputs.scores[MODEL].values["rouge1"] == 0).sum()),
        hashes=facts.hashes,
        setting_keys=_leaves({name: one for name, one in facts.numbers["settings"].items() if name != "model"}),
        raw=json.dumps(facts.numbers, indent=1, sort_keys=True, ensure_ascii=False),
    )


def _system_names(numbers: Mapping[str, Any]) -> dict[str, str]:
    names = system_names(numbers["scores"])
    beside = {CHAMPION: f"champion v{numbers['gate']['champion']}"} if "gate" in numbers else {}
    return {MODEL: names.pop(MODEL), **beside, **names}


def _leaves(settings: Mapping[str, Any], above: str = "") -> list[str]:
    """The dotted keys of all values."""
    return [
        key
        for name, one in settings.items()
        for key in (_leaves(one, f"{above}{name}.") if isinstance(one, Mapping) else [f"{above}{name}"])
    ]


def _value_of(numbers: Mapping[str, Any]) -> Callable[[str, str], Markup]:
    def value(path: str, spec: str = "") -> Markup:
        found = look_up(numbers, path)
        return Markup('<span data-value="{}" data-format="{}">{}</span>').format(path, spec, format(found, spec))

    return value


def look_up(numbers: Any, path: str) -> Any:
    """What stands under a dotted ``path`` of keys and places. Raises KeyError or IndexError if nothing does."""
    for key in path.split("."):
        numbers = numbers[int(key)] if isinstance(numbers, list) else numbers[key]
    return numbers


def _figures(facts: Facts) -> dict[str, str]:
    scores, outputs = facts.numbers["scores"], facts.outputs
    names = _system_names(facts.numbers)
    systems = {
        names[system]: {ROUGE_NAMES[kind]: scores["systems"][system][kind] for kind in ("rouge1", "rouge2", "rougeL")}
        for system in names
    }
    of_documents = length_histograms({"documents": count_words(facts.documents)})["documents"]
    summaries = {"reference": count_words(outputs.references), MODEL: count_words(outputs.hypotheses[MODEL])}
    rouge1 = {names[system]: scores.values["rouge1"] for system, scores in outputs.scores.items()}
    groups = scores_by_length(count_words(facts.documents), rouge1)
    histograms = [(name, list(columns.items())) for name, columns in facts.histograms.items()]
    drawn = {
        "rouge": figures.intervals_figure(systems, "F1 × 100, with 95 % intervals"),
        "curves": figures.curves_figure(curves_of(facts.journal)),
        "lengths": figures.lengths_figure(of_documents, length_histograms(summaries)),
        "scores_by_length": figures.scores_by_length_figure(groups.mean_words, groups.scores),
        **{
            f"data_{name}": figures.bars_figure(starts, dict(counts), _AXES[name], "pairs")
            for name, ((_, starts), *counts) in histograms
        },
    }
    return {name: figures.as_svg(figure) for name, figure in drawn.items()}


def _data_uri(svg: str) -> str:
    """A picture of its own: inlined as markup, the ids of two pictures would clash."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
