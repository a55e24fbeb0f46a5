"""What becomes of a flow run whose Prefect server stays away for longer than its client tries."""

import functools
import logging
import os
import signal
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from httpx import TransportError

# Set where a worker started the run.
_OF_WORKER = "PREFECT__FLOW_RUN_ID"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def ends_without_server(run: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Has a worker's flow run end like one that was killed when the server is lost, so that it goes on later.

    As an exception the loss would make it Failed, which is for good. Its commands end with it (`tether.py`).
    """

    @functools.wraps(run)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return run(*args, **kwargs)
        except TransportError as error:
            if _OF_WORKER not in os.environ:
                raise
            # Prefect's own loggers would try to reach the server.
            logging.getLogger("seq2sum").error(
                "the server can't be reached (%s); the run goes on when it is back", error
            )
            os.kill(os.getpid(), signal.SIGKILL)
            raise

    return guarded
