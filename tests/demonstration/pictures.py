"""Pictures of what Prefect's page shows of the factory's runs, for `make e2e`: ``python -m …pictures FOLDER``."""

import sys
import time
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.chromium import PROGRAM, headless_chromium, save_picture, set_screen

# What a run of each flow is to show, by the keys of its artifacts.
SHOWN = {
    "train": {"scores", "samples", "curves", "verdict"},
    "monitor": {"drift"},
    "summarize": {"throughput"},
}


def artifacts_of(client: SyncPrefectClient, run: UUID) -> list[Artifact]:
    """The artifacts with a key of a flow run."""
    found = client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return [artifact for artifact in found if artifact.key]


def take_pictures(client: SyncPrefectClient, chromium: webdriver.Chrome, page: str, folder: Path) -> None:
    """The newest run of each flow that shows all it should, and each of its artifacts."""
    for flow, keys in SHOWN.items():
        of_flow = FlowFilter(name=FlowFilterName(any_=[flow]))
        runs = client.read_flow_runs(flow_filter=of_flow, sort=FlowRunSort.START_TIME_DESC)
        for run in runs:
            artifacts = {artifact.key: artifact for artifact in artifacts_of(client, run.id)}
            if keys <= set(artifacts):
                break
        else:
            sys.exit(f"no run of {flow} has the artifacts {sorted(keys)}")
        take_picture(chromium, f"{page}/runs/flow-run/{run.id}", run.name, folder / f"{flow}.png")
        for key in sorted(keys):
            take_picture(chromium, f"{page}/artifacts/artifact/{artifacts[key].id}", key, folder / f"{flow}-{key}.png")


def take_picture(chromium: webdriver.Chrome, address: str, text: str, path: Path) -> None:
    """The page once it shows ``text``, and what it fetches after that."""
    chromium.get(address)
    WebDriverWait(chromium, 60).until(lambda page: text in page.find_element("tag name", "body").text)
    time.sleep(2)
    save_picture(chromium, "desktop", path)
    print(path)


def main() -> None:
    """Without a Chromium there are none."""
    if not Path(PROGRAM).exists():
        print("no Chromium, no pictures")
        return
    folder = Path(sys.argv[1])
    page = get_current_settings().api.url
    assert page, "PREFECT_API_URL names the server"
    with get_client(sync_client=True) as client, headless_chromium(folder) as chromium:
        set_screen(chromium, "desktop")
        take_pictures(client, chromium, page.removesuffix("/api"), folder)


if __name__ == "__main__":
    main()
