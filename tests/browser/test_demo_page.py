"""The page as a person meets it, in a real browser; pictures go to reports/screenshots."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from seq2sum.activations import reading_activations
from seq2sum.explain import explain
from seq2sum.summarize import Summarizer
from tests.browser.steps import drop, get, overflow, put, summarize, wait
from tests.demo.served import SEARCH, TEXT, Served

pytestmark = pytest.mark.browser

Picture = Callable[[str], None]


def requests(page: Chrome) -> list[str]:
    """The addresses that the browser asked for since the page was opened."""
    found = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    return [one["params"]["request"]["url"] for one in found if one["method"] == "Network.requestWillBeSent"]


def posted(page: Chrome, path: str) -> list[dict[str, Any]]:
    """What the page sent there since it was opened, or since this was last asked."""
    found = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    sent = [one["params"]["request"] for one in found if one["method"] == "Network.requestWillBeSent"]
    return [json.loads(one["postData"]) for one in sent if urlsplit(one["url"]).path == path]


def tab_to(page: Chrome, is_there: Callable[[WebElement], bool]) -> WebElement:
    """Presses Tab until the element that has the focus is the one wanted; it."""
    for _ in range(40):
        if is_there(page.switch_to.active_element):
            break
        ActionChains(page).send_keys(Keys.TAB).perform()
    assert is_there(page.switch_to.active_element)
    return page.switch_to.active_element


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
    assert sources
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


def test_nothing_is_wider_than_the_screen_and_no_word_is_cut(page: Chrome) -> None:
    words = summarize(page, TEXT + " " + "x" * 300)
    assert overflow(page) <= 0
    for box, inside in (("#words", words), ("#text", page.find_elements(By.CSS_SELECTOR, "#text span"))):
        assert page.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", get(page, box)) <= 0
        right = get(page, box).rect["x"] + get(page, box).rect["width"]
        assert inside
        assert all(one.rect["x"] + one.rect["width"] <= right + 1 for one in inside)


def test_a_long_word_in_a_summary_or_a_message_breaks_instead_of_widening_the_page(page: Chrome) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    # This small model's pieces are short, so that it takes more of them than the page would ask for.
    page.execute_script("document.getElementById('min_tokens').max = 150")
    for field, value in (("max_words", 1), ("min_tokens", 150)):
        put(page, f"#{field}", str(value))
    (word,) = summarize(page)
    others = page.find_elements(By.CSS_SELECTOR, "#others button")
    assert len(others) > 1
    assert all(len(one.text) >= 150 for one in [word, *others])
    word.click()
    assert word.text in get(page, "#detail").text
    assert overflow(page) <= 0
    put(page, "#column", "x" * 300)
    drop(page, "#batch", "boats.csv", "document")
    wait(page, lambda _: "x" * 300 in get(page, "#batch-error").text)
    assert overflow(page) <= 0


def test_the_summary_is_beside_the_text_on_a_desktop_and_below_it_on_a_telephone(page: Chrome, width: str) -> None:
    summarize(page)
    form, result = get(page, "#form").rect, get(page, "#result").rect
    is_beside = result["x"] >= form["x"] + form["width"]
    assert is_beside == (width == "desktop")
    assert is_beside or result["y"] >= form["y"] + form["height"]


def test_a_summary_is_made_and_looked_into_by_keyboard_alone(page: Chrome) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    keys = ActionChains(page)
    keys.send_keys(Keys.TAB).send_keys("The ferry leaves at noon.").perform()
    assert page.switch_to.active_element.get_attribute("id") == "document"
    ActionChains(page).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    wait(page, lambda _: get(page, "#go").is_enabled() and get(page, "#status").text)
    tab_to(page, lambda element: "word" in element.get_attribute("class").split())
    words = page.find_elements(By.CSS_SELECTOR, "#words .word")
    assert page.switch_to.active_element == words[0]
    first = get(page, "#detail").text
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert page.switch_to.active_element == words[1]
    assert get(page, "#detail").text != first
    ActionChains(page).send_keys(Keys.END).perform()
    assert page.switch_to.active_element == words[-1]
    tab_to(page, lambda element: element.get_attribute("value") == "sources")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert get(page, "input[value=attention]").is_selected()
    tab_to(page, lambda element: element.tag_name == "canvas")
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT).perform()
    assert "looked at" in get(page, "#attention-map .told").text
    assert page.find_elements(By.CSS_SELECTOR, "#text .pointed")


def test_settings_reach_the_search(page: Chrome, served: Served) -> None:
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    get(page, "#settings summary").click()
    for field, value in (("max_words", 2), ("min_tokens", 1), ("beam_size", 3)):
        put(page, f"#{field}", str(value))
    for label in ("Words, at most: 2", "Pieces, at least: 1", "Beam: 3"):
        assert label in get(page, "#settings").text
    for box in ("#source_support", "#risk"):
        get(page, box).click()
    assert 1 <= len(summarize(page)) <= 2
    (sent,) = posted(page, "/api/summarize")
    changes = {"max_words": 2, "min_tokens": 1, "beam_size": 3, "source_support": True, "risk_samples": 16}
    assert sent["search"] == changes
    (best,) = Summarizer.load(served.champion).summarize([TEXT], SEARCH.model_copy(update=changes))
    assert get(page, "#words").text.split() == best.text.split()


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


def test_a_comparison_that_fails_leaves_nothing_and_one_of_a_long_text_says_what_was_not_read(page: Chrome) -> None:
    wait(page, lambda _: get(page, "#compare").is_displayed())
    put(page, "#document", " ")
    get(page, "#compare").click()
    wait(page, lambda _: "the document is empty" in get(page, "#error").text)
    assert not get(page, "#comparison").is_displayed()
    assert get(page, "#voted").get_attribute("textContent") == ""
    put(page, "#document", TEXT * 3)
    get(page, "#compare").click()
    wait(page, lambda _: len(page.find_elements(By.CSS_SELECTOR, "#ballot button")) == 4)
    assert get(page, "#error").text == ""
    sides = page.find_elements(By.CSS_SELECTOR, ".side")
    assert ["reads the first 60 pieces; what follows was not read" in side.text for side in sides] == [True, True]


def test_a_map_wider_than_the_screen_begins_where_it_is_darkest(page: Chrome) -> None:
    summarize(page, TEXT * 2)
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#attention-map canvas"))
    left, right, darkest, width = page.execute_script("""
        const canvas = document.querySelector('#attention-map canvas'), scroll = canvas.parentElement;
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let darkest = 0;
        for (let place = 0; place < data.length; place += 4) if (data[place] < data[darkest]) darkest = place;
        return [scroll.scrollLeft, scroll.scrollLeft + scroll.clientWidth, (darkest / 4) % canvas.width, canvas.width];
    """)
    assert left <= darkest < right
    assert (right - left < width) == (page.get_window_size()["width"] < 600)


def test_the_gates_of_either_direction_can_be_chosen(page: Chrome, served: Served) -> None:
    summarize(page)
    Select(get(page, "#gate")).select_by_visible_text("output")
    for direction in ("back", "ahead"):
        Select(get(page, "#direction")).select_by_visible_text(direction)
        page.execute_script("document.getElementById('gates-map').replaceChildren()")
        get(page, "#show-gates").click()
        wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#gates-map canvas"))
        page.execute_script("document.querySelector('#gates-map canvas').focus()")
        ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
        told = get(page, "#gates-map .told").text
        assert told.startswith("output gate of unit 1 at")
        # The unit with the least mean stands first.
        units = (
            reading_activations(Summarizer.load(served.champion), TEXT, reverse=direction == "back").output.numpy().T
        )
        assert float(told.rpartition(": ")[2]) == pytest.approx(units[units.mean(axis=1).argmin()][0], abs=0.01)
