"""The page as a person meets it, in a real browser; pictures go to reports/screenshots."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from seq2sum.explain import explain
from seq2sum.summarize import Summarizer
from tests.demo.served import SEARCH, TEXT, Served

pytestmark = pytest.mark.browser

Picture = Callable[[str], None]
SECONDS = 120


def get(page: Chrome, element: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, element)


def wait(page: Chrome, condition: Callable[[Chrome], object]) -> None:
    WebDriverWait(page, SECONDS, poll_frequency=0.05).until(condition)


def put(page: Chrome, element: str, value: str) -> None:
    """Sets a field to a value that may hold what the driver cannot type, and says so as the browser does."""
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
    page.execute_script(script, get(page, element), value)


def summarize(page: Chrome, text: str = TEXT) -> list[WebElement]:
    """Has the text summarized; the words."""
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    put(page, "#document", text)
    get(page, "#go").click()
    wait(page, lambda _: get(page, "#go").is_enabled() and get(page, "#status").text)
    return page.find_elements(By.CSS_SELECTOR, "#words .word")


def requests(page: Chrome) -> list[str]:
    """The addresses that the browser asked for since the page was opened."""
    found = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    return [one["params"]["request"]["url"] for one in found if one["method"] == "Network.requestWillBeSent"]


def tinted(page: Chrome) -> dict[str, float]:
    """The parts of the document that are tinted, and how much."""
    script = """return [...document.querySelectorAll('#text span')].map(
        (part) => [part.textContent, Number(part.style.getPropertyValue('--weight'))])"""
    return {text: weight for text, weight in page.execute_script(script) if weight > 0}


def test_a_pasted_text_becomes_a_summary_that_explains_itself(page: Chrome, served: Served, picture: Picture) -> None:
    words = summarize(page)
    summarizer = Summarizer.load(served.champion)
    (best,) = summarizer.summarize_best([TEXT], SEARCH, 3)
    assert [word.text for word in words] == best[0].text.split()
    found = explain(summarizer, TEXT, best[0].ids)
    for word, expected in zip(words, found.words, strict=True):
        assert ("copied" in word.get_attribute("class")) == (expected.copied >= 0.5)
    assert get(page, "#text").get_attribute("textContent") == TEXT
    wait(page, lambda _: get(page, "#attention-map canvas").size["width"] > 100)

    copied = next(place for place, word in enumerate(found.words) if word.copied >= 0.5)
    ActionChains(page).move_to_element(words[copied]).perform()
    assert get(page, "#detail").text.startswith(f"{found.words[copied].text}: copied")
    sources = {position for position, weight in found.words[copied].sources if weight >= 0.01}
    places = [found.source_spans[position] for position in sources]
    assert all(any(TEXT[start:end] in text for text in tinted(page)) for start, end in places)
    before = tinted(page)
    get(page, "input[value=attention]").click()
    assert tinted(page) != before

    get(page, "#show-gates").click()
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#gates-map canvas"))
    picture("summary")

    others = page.find_elements(By.CSS_SELECTOR, "#others button")
    assert [button.text for button in others] == [one.text for one in best]
    others[1].click()
    wait(page, lambda _: others[1].get_attribute("aria-current") == "true")
    shown = [word.text for word in page.find_elements(By.CSS_SELECTOR, "#words .word")]
    assert shown == best[1].text.split()

    assert {urlsplit(address).netloc for address in requests(page) if not address.startswith("data:")} == {
        urlsplit(served.address).netloc
    }
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_nothing_is_wider_than_the_screen_and_no_word_is_cut(page: Chrome, width: str) -> None:
    summarize(page, TEXT + " " + "x" * 300)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.execute_script(overflow) <= 0
    form, result = get(page, "#form").rect, get(page, "#result").rect
    is_beside = result["x"] >= form["x"] + form["width"]
    assert is_beside == (width == "desktop")
    assert is_beside or result["y"] >= form["y"] + form["height"]


def test_everything_can_be_done_by_keyboard(page: Chrome) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    keys = ActionChains(page)
    keys.send_keys(Keys.TAB).send_keys("The ferry leaves at noon.").perform()
    assert page.switch_to.active_element.get_attribute("id") == "document"
    ActionChains(page).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    wait(page, lambda _: get(page, "#go").is_enabled() and get(page, "#status").text)
    for _ in range(20):
        if "word" in page.switch_to.active_element.get_attribute("class").split():
            break
        ActionChains(page).send_keys(Keys.TAB).perform()
    words = page.find_elements(By.CSS_SELECTOR, "#words .word")
    assert page.switch_to.active_element == words[0]
    first = get(page, "#detail").text
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert page.switch_to.active_element == words[1]
    assert get(page, "#detail").text != first
    ActionChains(page).send_keys(Keys.END).perform()
    assert page.switch_to.active_element == words[-1]
    page.execute_script("document.querySelector('#attention-map canvas').focus()")
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT).perform()
    assert "looked at" in get(page, "#attention-map .told").text
    assert page.find_elements(By.CSS_SELECTOR, "#text .pointed")


def test_settings_reach_the_search(page: Chrome) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    get(page, "#settings summary").click()
    put(page, "#max_words", "2")
    assert "Words, at most: 2" in get(page, "#settings").text
    assert 1 <= len(summarize(page)) <= 2


def test_errors_are_told_and_the_page_goes_on(page: Chrome, picture: Picture) -> None:
    assert len(summarize(page)) > 0
    put(page, "#document", "bell \a rings")
    get(page, "#go").click()
    wait(page, lambda _: "control character U+0007" in get(page, "#error").text)
    picture("error")
    assert len(summarize(page)) > 0
    assert get(page, "#error").text == ""


def test_two_models_are_compared_and_the_vote_is_kept(page: Chrome, served: Served, picture: Picture) -> None:
    summarize(page)
    get(page, "#compare").click()
    wait(page, lambda _: len(page.find_elements(By.CSS_SELECTOR, "#ballot button")) == 4)
    sides = page.find_elements(By.CSS_SELECTOR, ".side")
    assert [side.find_element(By.TAG_NAME, "h3").text for side in sides] == ["Left", "Right"]
    texts = [side.find_element(By.CSS_SELECTOR, ".summary").text.split() for side in sides]
    get(page, "#ballot button").click()
    wait(page, lambda _: "Thank you" in get(page, "#voted").text)
    picture("comparison")
    chosen = sides[0].find_element(By.TAG_NAME, "h3").text.removeprefix("Left: ")
    summaries = {
        name: Summarizer.load(folder).summarize([TEXT], SEARCH)[0].text.split()
        for name, folder in (("champion", served.champion), ("challenger", served.challenger))
    }
    assert texts[0] == summaries.pop(chosen)
    assert [texts[1]] == list(summaries.values())
    with contextlib.closing(sqlite3.connect(served.votes)) as store:
        kept = store.execute("SELECT choice, champion, challenger FROM votes ORDER BY id DESC LIMIT 1").fetchone()
    assert kept[0] == chosen
    assert kept[1 if chosen == "champion" else 2].split() == texts[0]


def test_a_batch_shows_progress_and_can_be_downloaded(
    page: Chrome, served: Served, downloads: Path, tmp_path: Path, picture: Picture, width: str
) -> None:
    documents = [f"Boat {number} comes back at noon." for number in range(20)]
    file = tmp_path / f"boats-{width}.jsonl"
    file.write_text("".join(json.dumps({"text": document}) + "\n" for document in documents))
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    get(page, "#batch-file").send_keys(str(file))
    wait(page, lambda _: "no column 'document'" in get(page, "#batch-error").text)
    put(page, "#column", "text")
    put(page, "#max_words", "5")
    get(page, "#batch-file").send_keys(str(file))
    wait(page, lambda _: get(page, "#download").is_displayed())
    assert get(page, "#batch-error").text == ""
    assert get(page, "#progress").get_attribute("value") == "20"
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


def test_a_text_file_can_be_opened(page: Chrome, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\xff")
    get(page, "#file").send_keys(str(tmp_path / "text.txt"))
    wait(page, lambda _: get(page, "#document").get_property("value") == TEXT)
    get(page, "#file").send_keys(str(tmp_path / "picture.txt"))
    wait(page, lambda _: "picture.txt is no text in UTF-8" in get(page, "#error").text)


def test_the_gates_of_either_direction_can_be_chosen(page: Chrome) -> None:
    summarize(page)
    Select(get(page, "#direction")).select_by_visible_text("back")
    Select(get(page, "#gate")).select_by_visible_text("output")
    get(page, "#show-gates").click()
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#gates-map canvas"))
    page.execute_script("document.querySelector('#gates-map canvas').focus()")
    ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
    assert get(page, "#gates-map .told").text.startswith("output gate of unit 1 at")
