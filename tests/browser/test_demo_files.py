"""Files on the page: those with many documents, and one with a text; chosen and dropped."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from seq2sum.summarize import Summarizer
from tests.browser.steps import drop, get, put, wait
from tests.demo.served import SEARCH, TEXT, Served

pytestmark = pytest.mark.browser

Picture = Callable[[str], None]


def test_a_batch_shows_progress_and_can_be_downloaded(
    page: Chrome, served: Served, downloads: Path, tmp_path: Path, picture: Picture, width: str
) -> None:
    documents = [f"Boat {number} comes back at noon." for number in range(25)]
    file = tmp_path / f"boats-{width}.jsonl"
    file.write_text("".join(json.dumps({"text": document}) + "\n" for document in documents))
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    get(page, "#batch-file").send_keys(str(file))
    wait(page, lambda _: "no column 'document'" in get(page, "#batch-error").text)
    put(page, "#column", "text")
    put(page, "#max_words", "5")
    page.execute_script("""
        window.shares = [];
        const bar = document.getElementById('progress');
        new MutationObserver(() => window.shares.push(bar.value / bar.max)).observe(bar, {attributes: true});
    """)
    get(page, "#batch-file").send_keys(str(file))
    wait(page, lambda _: get(page, "#download").is_displayed())
    assert get(page, "#batch-error").text == ""
    shares = page.execute_script("return window.shares")
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any(0 < share < 1 for share in shares)
    assert len(page.find_elements(By.CSS_SELECTOR, "#batch-list li")) == 20
    assert "the first 20 stand below, all in the download" in get(page, "#batch-status").text
    picture("batch")
    get(page, "#download").click()
    written = downloads / f"boats-{width}.summaries.jsonl"
    deadline = time.monotonic() + 30
    while not written.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    rows = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert [row["document"] for row in rows] == documents
    search = SEARCH.model_copy(update={"max_words": 5})
    expected = Summarizer.load(served.champion).summarize(documents, search)
    assert [row["summary"] for row in rows] == [summary.text for summary in expected]


def test_bad_rows_are_left_out_and_named_by_their_lines(page: Chrome, downloads: Path, width: str) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    drop(page, "#batch", f"bad-{width}.csv", 'id,document\n1,"Two\nlines."\n2\n3,\n4,A mill counts.\n')
    wait(page, lambda _: get(page, "#download").is_displayed())
    assert get(page, "#batch-error").text == ""
    assert get(page, "#batch-status").text.startswith("2 documents in ")
    assert get(page, "#batch-status").text.endswith("; rows left out: 2")
    reasons = [item.text for item in page.find_elements(By.CSS_SELECTOR, "#batch-rejected li")]
    assert [reason.partition(":")[0] for reason in reasons] == ["Line 4", "Line 5"]
    assert reasons[1] == "Line 5: the document is empty."
    assert len(page.find_elements(By.CSS_SELECTOR, "#batch-list li")) == 2
    assert get(page, "#download").text == "Download 2 summaries"
    get(page, "#download").click()
    written = downloads / f"bad-{width}.summaries.jsonl"
    wait(page, lambda _: written.exists())
    rows = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert [(row["row"], "rejected" in row) for row in rows] == [(2, False), (4, True), (5, True), (6, False)]


def test_a_second_file_takes_the_place_of_one_that_is_being_read(page: Chrome) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    page.execute_script("""
        window.told = [];
        const [status, link] = ["batch-status", "download"].map((id) => document.getElementById(id));
        const note = () => window.told.push([status.textContent, link.hidden ? "" : link.download]);
        const told = new MutationObserver(note);
        for (const part of [status, link]) told.observe(part, { attributes: true, childList: true });
        const dropSecond = new MutationObserver(() => {
            if (!status.textContent.startsWith("8 of 40")) return;
            dropSecond.disconnect();
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["document\\n" + "The second.\\n".repeat(16)], "second.csv"));
            document.getElementById("batch").dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
        });
        dropSecond.observe(status, { childList: true });
    """)
    drop(page, "#batch", "first.csv", "document\n" + "The first.\n" * 40)
    wait(page, lambda _: get(page, "#batch-status").text.startswith("16 documents in "))
    wait(page, lambda _: get(page, "#download").is_displayed())
    told = page.execute_script("return window.told")
    assert any(status == "8 of 40 rows" for status, _ in told)
    assert [status for status, _ in told if status.startswith("Stopped")] == []
    assert {offered for _, offered in told} == {"", "second.summaries.jsonl"}


def test_a_text_file_can_be_dropped_on_the_text(page: Chrome) -> None:
    drop(page, "#document", "text.txt", TEXT)
    wait(page, lambda _: get(page, "#document").get_property("value") == TEXT)
    assert "dropping" not in get(page, "#form").get_attribute("class")


def test_a_text_file_can_be_opened_and_what_is_none_is_refused(page: Chrome, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\xff")
    get(page, "#file").send_keys(str(tmp_path / "text.txt"))
    wait(page, lambda _: get(page, "#document").get_property("value") == TEXT)
    get(page, "#file").send_keys(str(tmp_path / "picture.txt"))
    wait(page, lambda _: "picture.txt is no text in UTF-8" in get(page, "#error").text)
