"""What becomes of a flow run whose Prefect server stays away for longer than its client tries."""

import functools
import logging
import os
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from httpx import TransportError
from prefect.client.orchestration import get_client

# Set where a worker started the run.
_OF_WORKER = "PREFECT__FLOW_RUN_ID"
MOST_SECONDS = 6 * 3600.0
POLL_SECONDS = 5.0

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def outlasts_outages(run: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Has a worker's flow run wait for its server and begin again, where the loss as an exception would make it Failed.

    For flows that may begin again at any moment. Raises the loss after MOST_SECONDS without a server, and at once in a
    run that someone started by hand.
    """

    @functools.wraps(run)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        while True:
            try:
                return run(*args, **kwargs)
            except TransportError as error:
                if _OF_WORKER not in os.environ:
                    raise
                # Prefect's own loggers would try to reach the server.
                logging.getLogger("seq2sum").error("the server can't be reached (%s); waiting for it", error)
                if not _is_back(time.monotonic() + MOST_SECONDS):
                    raise

    return guarded


def _is_back(deadline: float) -> bool:
    while time.monotonic() < deadline:
        with get_client(sync_client=True) as client:
            if client.api_healthcheck() is None:
                return True
        time.sleep(POLL_SECONDS)
    return False
