"""A real headless Chromium (Debian's packages) before the served page."""

import base64
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from pipeline import paths
from tests.demo.served import REPO, Served, served_page

# To be looked at; git ignores the folder.
SCREENSHOTS = REPO / paths.REPORTS / "screenshots"
WIDTHS = {"desktop": 1280, "narrow": 390}


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
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        for flag in (
            "headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run",
            "disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars",
            "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"user-data-dir={profile}",
        ):  # fmt: skip
            options.add_argument(f"--{flag}")
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_script_timeout(120)
            yield driver
        finally:
            driver.quit()


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(chromium: webdriver.Chrome, served: Served, width: str) -> webdriver.Chrome:
    """The page, newly opened, on a desktop's and on a telephone's screen."""
    return opened(chromium, served.address, width)


def opened(chromium: webdriver.Chrome, address: str, width: str) -> webdriver.Chrome:
    """The browser with a page newly opened on a screen of that width."""
    size = {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1, "mobile": width == "narrow"}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        chromium.get_log(log)  # what an earlier test left
    chromium.get(address)
    return chromium


@pytest.fixture
def picture(chromium: webdriver.Chrome, width: str) -> Callable[[str], None]:
    """Writes a picture of the whole page that is open under a name."""

    def take(name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        height = chromium.execute_script("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": WIDTHS[width], "height": height, "scale": 1}
        options = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        data = chromium.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        (SCREENSHOTS / f"{name}-{width}.png").write_bytes(base64.b64decode(data))

    return take
