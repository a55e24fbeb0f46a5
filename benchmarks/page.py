"""The seconds from `make demo` to the first summary on the screen, in a headless Chromium that is open already.

Needs Debian's chromium and chromium-driver. Arguments go to `make demo`, such as `--model models/summarizer`.
"""

import contextlib
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.chromium import headless_chromium
from tests.servers import free_port, wait_for

STARTS = 3
PATIENCE = 300


def main(arguments: list[str]) -> None:
    """The command line: prints each start's seconds and their median."""
    totals = []
    with tempfile.TemporaryDirectory() as folder, headless_chromium(Path(folder)) as browser:
        for _ in range(STARTS):
            opened, total = seconds_to_summary(browser, arguments)
            print(f"page {opened:.1f} s, first summary {total:.1f} s", flush=True)
            totals.append(total)
    print(f"median of {STARTS} first summaries: {statistics.median(totals):.1f} s")


def seconds_to_summary(browser: Chrome, arguments: list[str]) -> tuple[float, float]:
    """From the command to the page that knows its model, and to the words of the example's summary."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    began = time.perf_counter()
    command = ["make", "demo", f"ARGS={shlex.join([*arguments, '--port', str(port)])}"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or is_served(address), PATIENCE)
        if process.poll() is not None:
            raise SystemExit("`make demo` has ended; see above.")
        browser.get(address)
        wait = WebDriverWait(browser, PATIENCE, poll_frequency=0.05)
        wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
        opened = time.perf_counter() - began
        browser.find_element(By.ID, "example").click()
        browser.find_element(By.ID, "go").click()
        wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#words .word"))
        return opened, time.perf_counter() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait()


def is_served(address: str) -> bool:
    """Whether the page is there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
