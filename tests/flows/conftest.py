"""A Prefect server, and a finished project with a tracking database as the tests of tracking have it."""

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from tests.pipeline.tracking.conftest import client, empty_database, model_folder, project
from tests.servers import PrefectServer

__all__ = ["client", "empty_database", "model_folder", "project"]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server, which the tests of a module speak to."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    try:
        # Lines of the log that are still on their way when the server is killed would keep the tests from ending.
        with temporary_settings({PREFECT_API_URL: server.api, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield server
    finally:
        server.kill()
