"""The report of twenty made-up pairs, after a real evaluation of a tiny untrained model."""

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from pipeline import paths
from pipeline.lineage import flat
from pipeline.report.facts import LINEAGE
from pipeline.report.page import look_up
from pipeline.stages.evaluate import evaluate
from pipeline.stages.report import report
from pipeline.stages.runner import run_stage
from seq2sum.data.pairs import read_pairs
from seq2sum.evaluation.system_outputs import read_outputs
from seq2sum.params_file import load_params
from tests.pipeline.trained import write_data_reports, write_split

SECTIONS = ["scores", "significance", "length", "samples", "style", "training", "data", "cost", "lineage"]
REPORTS = {
    "scores": paths.SCORES,
    "train": paths.TRAIN_REPORT,
    "data": paths.DATA_REPORT,
    "split": paths.SPLIT_REPORT,
    "card": paths.DATA_CARD,
    "search": paths.MODEL / "search.json",
    "model": paths.MODEL / "model.json",
}
# Attributes through which a page loads something or leads somewhere.
LOADING = {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "background"}


class Page(HTMLParser):
    """Elements by tag and attributes, and the text within each that has ``data-value`` or ``data-md5``."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.values: list[tuple[dict[str, str | None], str]] = []
        self._open: dict[str, str | None] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if {"data-value", "data-md5"} & set(dict(attrs)):
            self._open = dict(attrs)
            self.values.append((self._open, ""))

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            attributes, text = self.values.pop()
            self.values.append((attributes, text + data))

    def handle_endtag(self, tag: str) -> None:
        self._open = None


@pytest.fixture
def project(trained: Path) -> Path:
    write_data_reports()
    evaluate(load_params(paths.PARAMS))
    return trained


def test_the_report_tells_what_the_files_say_and_loads_nothing(project: Path) -> None:
    report(load_params(paths.PARAMS))
    html = paths.REPORT.read_text(encoding="utf-8")
    page = Page(html)

    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == SECTIONS
    loaded = [value or "" for _, attributes in page.elements for name, value in attributes.items() if name in LOADING]
    assert all(value.startswith(("#", "data:image/svg+xml;base64,")) for value in loaded)
    assert not {tag for tag, _ in page.elements} & {"link", "script", "iframe", "object", "embed"}
    assert not re.search(r"url\(|@import", html)

    numbers = {name: json.loads(path.read_bytes()) for name, path in REPORTS.items()}
    numbers["settings"] = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))["train"]
    told = {}
    for attributes, text in page.values:
        if path := attributes.get("data-value"):
            assert text == format(look_up(numbers, path), attributes["data-format"] or ""), path
            told[path] = text
    for system, scores in numbers["scores"]["systems"].items():
        assert {f"scores.systems.{system}.{kind}.{place}" for kind in scores for place in range(3)} <= set(told)
        assert {f"scores.statistics.{system}.{key}" for key in numbers["scores"]["statistics"][system]} <= set(told)
    for kind, comparison in numbers["scores"]["paired"].items():
        assert {f"scores.paired.{kind}.{key}" for key in comparison} <= set(told)
    settings = {key for key in flat(numbers["settings"]) if not key.startswith("model.")}
    assert {f"settings.{key}" for key in settings} <= set(told)
    assert told["settings.pretrain.max_steps"] == str(numbers["settings"]["pretrain"]["max_steps"])
    assert "This page knows no champion" in html
    assert {"scores.verdict", "scores.signature", "train.train_key", "data.num_pairs.all.not_text"} <= set(told)
    hashes = {attributes["data-md5"]: text for attributes, text in page.values if "data-md5" in attributes}
    assert hashes == {str(path): hashlib.md5(path.read_bytes()).hexdigest() for path in LINEAGE}


def test_samples_are_the_best_the_middle_and_the_worst_with_every_word(project: Path) -> None:
    report(load_params(paths.PARAMS))
    html = paths.REPORT.read_text(encoding="utf-8")
    outputs = read_outputs(paths.HYPOTHESES)
    scores = dict(zip(outputs.ids, outputs.scores["model"].values["rouge1"], strict=True))
    shown = re.findall(r'<article data-id="(\w+)">', html)
    ranks = [int(rank) for rank in re.findall(r"rank (\d+) of 20", html)]
    assert ranks == [*range(1, 5), *range(9, 13), *range(17, 21)]
    assert len(shown) == 12
    best, median, worst = ([scores[one] for one in shown[start : start + 4]] for start in (0, 4, 8))
    ordered = sorted(scores.values(), reverse=True)
    assert (best, median, worst) == (ordered[:4], ordered[8:12], ordered[-4:])
    summaries = dict(zip(outputs.ids, outputs.hypotheses["model"], strict=True))
    documents = {pair.id: pair.document for pair in read_pairs(paths.TEST_PAIRS)}
    num_zero = list(scores.values()).count(0.0)
    assert (f"{num_zero} of the 20 summaries" in html) == (num_zero > 0)
    assert ("those in the middle score 0 as well" in html) == (num_zero > 10)
    for article in re.findall(r"<article.*?</article>", html, flags=re.DOTALL):
        one = re.search(r'data-id="(\w+)"', article)[1]
        texts = Texts(article).texts
        assert [text for kind, text in texts if kind.startswith("word")] == summaries[one].split()
        assert "".join(text for kind, text in texts if kind == "document").strip("\n") == documents[one]
        # Where words were copied from is told, and tinted in the document.
        assert ("<mark" in article) == (", from: " in article)


class Texts(HTMLParser):
    """The text of a sample's words and document, by class."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self._classes: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inherited = self._classes[-1] if tag == "mark" or dict(attrs).get("class") == "unread" else ""
        self._classes.append(inherited or dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        self._classes.pop()

    def handle_data(self, data: str) -> None:
        if self._classes and self._classes[-1]:
            self.texts.append((self._classes[-1], data))


def test_the_same_files_give_the_same_bytes(project: Path) -> None:
    contents = []
    for _ in range(2):
        report(load_params(paths.PARAMS))
        contents.append(paths.REPORT.read_bytes())
    assert contents[0] == contents[1]
    assert b"Texts &lt;b&gt;&amp; more&lt;/b&gt;" in contents[0]


def damage_histogram() -> None:
    (paths.DATA_PLOTS / "novelty.csv").write_text("share,novel_1_grams\n0.1,many\n")


def other_test_split() -> None:
    write_split(paths.TEST_PAIRS, 19, seed=2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (paths.SCORES.unlink, "reports/scores.json: not found"),
        (damage_histogram, "reports/data_plots/novelty.csv: not a table of numbers"),
        (other_test_split, "reports/hypotheses.parquet: not of the pairs in data/split/test.parquet"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str], damage, message: str
) -> None:
    damage()
    with pytest.raises(SystemExit, match="2"):
        run_stage("report", report)
    assert message in capsys.readouterr().err
    assert not paths.REPORT.exists()
