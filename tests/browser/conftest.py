"""A real headless Chromium (Debian's packages) before the served page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from pipeline import paths
from tests.browser.chromium import WIDTHS, headless_chromium, save_picture, set_screen
from tests.demo.served import REPO, Served, served_page

# To be looked at; git ignores the folder.
SCREENSHOTS = REPO / paths.REPORTS / "screenshots"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_page(tmp_path_factory.mktemp("demo")) as page:
        yield page


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def chromium(downloads: Path) -> Iterator[webdriver.Chrome]:
    """One browser for all tests; it may look up no host but this machine."""
    with headless_chromium(downloads) as driver:
        yield driver


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(chromium: webdriver.Chrome, served: Served, width: str) -> webdriver.Chrome:
    """The page, newly opened, on a desktop's and on a telephone's screen."""
    return opened(chromium, served.address, width)


def opened(chromium: webdriver.Chrome, address: str, width: str) -> webdriver.Chrome:
    """The browser with a page newly opened on a screen of that width."""
    set_screen(chromium, width)
    for log in ("browser", "performance"):
        chromium.get_log(log)  # what an earlier test left
    chromium.get(address)
    return chromium


@pytest.fixture
def picture(chromium: webdriver.Chrome, width: str) -> Callable[[str], None]:
    """Writes a picture of the whole page that is open under a name."""

    def take(name: str) -> None:
        save_picture(chromium, width, SCREENSHOTS / f"{name}-{width}.png")

    return take
