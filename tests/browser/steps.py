"""What a person does on the page, and waits for."""

from collections.abc import Callable

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.demo.served import TEXT

SECONDS = 120


def get(page: Chrome, element: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, element)


def wait(page: Chrome, condition: Callable[[Chrome], object]) -> None:
    WebDriverWait(page, SECONDS, poll_frequency=0.05).until(condition)


def put(page: Chrome, element: str, value: str) -> None:
    """Sets a field to a value that may hold what the driver cannot type, and says so as the browser does."""
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
    page.execute_script(script, get(page, element), value)


def drop(page: Chrome, element: str, name: str, text: str) -> None:
    """Drops a file on an element, as a person drags it there."""
    script = """
        const [target, name, text] = arguments, dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], name));
        for (const kind of ["dragover", "drop"]) {
            const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
            // Else the browser would open the file in the place of the page.
            if (target.dispatchEvent(event)) throw new Error(`${kind} was left to the browser`);
        }
    """
    page.execute_script(script, get(page, element), name, text)


def summarize(page: Chrome, text: str = TEXT) -> list[WebElement]:
    """Has the text summarized; the words."""
    wait(page, lambda _: page.execute_script("return document.getElementById('model').options.length"))
    put(page, "#document", text)
    get(page, "#go").click()
    wait(page, lambda _: get(page, "#go").is_enabled() and get(page, "#status").text)
    return page.find_elements(By.CSS_SELECTOR, "#words .word")


def overflow(page: Chrome) -> int:
    """Pixels by which the page is wider than the screen."""
    return int(page.execute_script("const page = document.documentElement; return page.scrollWidth - page.clientWidth"))
