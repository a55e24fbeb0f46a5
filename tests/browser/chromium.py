"""A real headless Chromium (Debian's packages) and pictures of what it shows."""

import base64
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDTHS = {"desktop": 1280, "narrow": 390}


@contextlib.contextmanager
def headless_chromium(downloads: Path) -> Iterator[webdriver.Chrome]:
    """A browser that may look up no host but this machine, and saves what it downloads in ``downloads``."""
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAM
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


def set_screen(chromium: webdriver.Chrome, width: str) -> None:
    """A desktop's or a telephone's screen, by the name in WIDTHS."""
    size = {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1, "mobile": width == "narrow"}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def save_picture(chromium: webdriver.Chrome, width: str, path: Path) -> None:
    """Writes the whole page that is open, on a screen of that width, to ``path``, a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height = chromium.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": WIDTHS[width], "height": height, "scale": 1}
    options = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    data = chromium.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
    path.write_bytes(base64.b64decode(data))
