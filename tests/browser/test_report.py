"""The report as a person meets it, in a real browser: opened as a file, with the champion beside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from pipeline import paths
from pipeline.jsonfile import read_json
from pipeline.promotion_page import with_champion
from pipeline.promotion_report import VERDICT, differing, write_promotion
from pipeline.report.facts import read_facts
from pipeline.report.page import render
from pipeline.report.samples import chosen_samples
from pipeline.stages.evaluate import evaluate
from pipeline.stages.report import report
from seq2sum.files import write_text
from seq2sum.gate.evidence import weigh
from seq2sum.gate.measures import measure
from seq2sum.gate.verdict import decide
from seq2sum.params_file import load_params
from tests.browser.conftest import opened
from tests.pipeline.trained import make_trained_project, write_data_reports

pytestmark = pytest.mark.browser

# Pixels of a table that stay out of sight, once its box is scrolled to the end and brought into view.
HIDDEN_OF_TABLE = """
    const [table] = arguments, box = table.closest('.scroll'), details = table.closest('details');
    if (details) details.open = true;
    if (!box) return table.getBoundingClientRect().right - document.documentElement.clientWidth;
    box.scrollLeft = box.scrollWidth;
    const cells = [...table.rows].map((row) => row.lastElementChild.getBoundingClientRect().right);
    const seen = Math.min(box.getBoundingClientRect().right, document.documentElement.clientWidth);
    box.scrollLeft = 0;
    // A script scrolls a box that hides what overflows too; a person does not.
    return getComputedStyle(box).overflowX === 'auto' ? Math.max(...cells) - seen : Infinity;
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The report of a tiny untrained model, and the one with the first words as the champion beside it."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("SEQ2SUM_DEVICE", "cpu")
        patched.setenv("SEQ2SUM_THREADS", "1")
        make_trained_project()
        write_data_reports()
        params = load_params(paths.PARAMS)
        evaluate(params)
        report(params)
        facts = read_facts(params.train)
        outputs = facts.outputs
        sides = {
            name: measure(facts.documents, outputs.references, outputs.hypotheses[name], outputs.scores[name].values)
            for name in ("model", "lead")
        }
        evidence = weigh(sides["model"], sides["lead"], params.promote)
        verdict = decide(evidence, {}, params.promote)
        told: dict[str, Any] = {"model": "seq2sum", "challenger": "2", "champion": "1", "metric_signature": "rouge"}
        told |= {
            "params": params.promote.model_dump(),
            "differs": differing({"train.seed": "1"}, {"train.seed": "2" * 200}),
        }
        write_promotion(paths.PROMOTIONS, told, evidence, {}, verdict, sides["model"].rouge[:, 0])
        gate = read_json(paths.PROMOTIONS / VERDICT)
        facts = with_champion(facts, gate, outputs.hypotheses["lead"], outputs.scores["lead"], params.evaluate)
        beside = folder / "beside.html"
        write_text(beside, render(facts, chosen_samples(facts, params.report.num_samples)))
    return [folder / paths.REPORT, beside]


def test_the_report_fits_every_screen_and_says_where_words_come_from(
    chromium: Chrome, reports: list[Path], width: str, picture: Callable[[str], None]
) -> None:
    for file, name in zip(reports, ("report", "report-beside-champion"), strict=True):
        page = opened(chromium, file.as_uri(), width)
        overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.execute_script(overflow) <= 0
        # What is wider than the screen is scrolled in a box of its own, to its last column.
        for table in page.find_elements(By.CSS_SELECTOR, "table"):
            hidden = page.execute_script(HIDDEN_OF_TABLE, table)
            assert hidden <= 1, table.text
        pictures = page.find_elements(By.CSS_SELECTOR, "figure img")
        assert len(pictures) > 5
        assert all(one.get_property("naturalWidth") > 0 and one.get_attribute("alt") for one in pictures)
        for link in page.find_elements(By.CSS_SELECTOR, "a"):
            assert page.find_elements(By.ID, urlsplit(link.get_attribute("href")).fragment)
        titles = [word.get_attribute("title") for word in page.find_elements(By.CSS_SELECTOR, "article .word")]
        assert titles
        assert all(title.startswith("probability ") and " %, copied " in title for title in titles)
        copied = [word.get_attribute("title") for word in page.find_elements(By.CSS_SELECTOR, "article .word.copied")]
        assert all(", from: " in title for title in copied)
        picture(name)
        assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
