"""Where MLflow is, and with how much patience it is spoken to."""

import contextlib
import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seq2sum.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EMBEDDED_FILE = "mlflow.db"
EMBEDDED_URI = f"sqlite:///{EMBEDDED_FILE}"
EMBEDDED_ARTIFACTS = "mlartifacts"
# Whoever lets a request take longer is not told earlier that there is no server.
ANSWER_SECONDS = max(10.0, float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 0))

# The exit status of a command that could not reach a server: the same command later may do (sysexits.h).
TEMPORARY_FAILURE = 75  # EX_TEMPFAIL
_TOO_MANY_REQUESTS, _BAD_GATEWAY, _UNAVAILABLE, _GATEWAY_TIMEOUT = 429, 502, 503, 504
# MLflow tells of a failed download in words alone.
_LOST_IN_WORDS = ("Max retries exceeded", "Connection aborted", "Connection broken", "Connection refused")


class UnreachableError(UserError):
    """A server does not answer, or not now. It may be back later, without anyone's doing."""


def tracking_uri() -> str:
    """The tracking server's address: MLFLOW_TRACKING_URI, or a database file in this folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or EMBEDDED_URI


def registry_uri() -> str:
    """The registry's address: MLFLOW_REGISTRY_URI, or the tracking server."""
    return os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri()


def experiment_name() -> str:
    """MLFLOW_EXPERIMENT_NAME, or the project's name."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or "seq2sum"


def model_name() -> str:
    """The registered model's name: MLFLOW_MODEL_NAME, or the project's name."""
    return os.environ.get("MLFLOW_MODEL_NAME") or "seq2sum"


def artifact_location(experiment: str) -> str | None:
    """Where a new experiment keeps its files: beside the embedded database, or None for where the server says."""
    # Resolved: in a flow's work tree, which passes, it is a link.
    embedded = tracking_uri().startswith("sqlite:")
    return str(Path(EMBEDDED_ARTIFACTS).resolve() / experiment) if embedded else None


def require_registry() -> None:
    """Raises UserError if the registry would be a database file that is not there: asking MLflow would make it."""
    uri = registry_uri()
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not database.exists():
        raise UserError(
            f"No model is registered here: there is no {database}. Make one with `make run`, name a registry with "
            "MLFLOW_TRACKING_URI, or give a model folder with --model."
        )


def connect(*, may_create: bool = False) -> "MlflowClient":
    """A client whose servers are known to answer. A database file that is missing is made only if ``may_create``.

    Raises UnreachableError when they don't answer within ANSWER_SECONDS, and UserError when they refuse and where there
    is no database.
    """
    if not may_create:
        require_registry()
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # A version is loaded from code and safetensors; whoever plants a pickle in one is refused.
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's own defaults wait four minutes for a dead server and a quarter of an hour for one that hangs.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    from mlflow import MlflowClient

    with mlflow_errors():
        if tracking_uri().startswith("sqlite:"):
            with _alone_with_database():
                client = MlflowClient()
                _ask(client)
        else:
            client = MlflowClient()
            _ask_with_deadline(client)
    return client


@contextlib.contextmanager
def _alone_with_database() -> Iterator[None]:
    """Lets one process after the other open the database: MLflow makes its tables and fails if another does so too."""
    database = Path(tracking_uri().removeprefix("sqlite:///"))
    if not database.parent.is_dir():  # MLflow tells so
        yield
        return
    with database.with_name(f"{database.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ask(client: "MlflowClient") -> None:
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)


def _ask_with_deadline(client: "MlflowClient") -> None:
    """Asks in a thread, since no one timeout covers name look-up, connections, databases' own retries and silence."""
    failures: list[Exception] = []

    def ask() -> None:
        try:
            _ask(client)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if thread.is_alive():
        raise UnreachableError(
            f"MLflow at {without_password(tracking_uri())} gave no answer within {ANSWER_SECONDS:.0f} s."
        )
    if failures:
        raise failures[0]


@contextlib.contextmanager
def mlflow_errors() -> Iterator[None]:
    """Turns what MLflow, its HTTP client and its database raise, a missing driver too, into a UserError.

    It is an UnreachableError where a server was lost.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, ImportError) as error:
        where = without_password(tracking_uri())
        reason = without_password(str(error)).strip().splitlines()[0][:400]
        kind = UnreachableError if _is_temporary(error) else UserError
        raise kind(f"MLflow at {where}: {reason}\nIs it up, and may you write there?") from error


def _is_temporary(error: BaseException) -> bool:
    """Whether the same request may do later: the connection failed, or the server can't answer now."""
    from mlflow.exceptions import MlflowException
    from requests import ConnectionError as ConnectionFailure
    from requests import HTTPError, Timeout
    from requests.exceptions import ChunkedEncodingError, RetryError, SSLError

    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    # MLflow takes whatever a database file refuses for temporary.
    if in_file := [cause for cause in causes if isinstance(cause, sqlite3.Error)]:
        return "locked" in str(in_file[0])
    if any(isinstance(cause, SSLError) for cause in causes):
        return False
    passing = (_TOO_MANY_REQUESTS, _BAD_GATEWAY, _UNAVAILABLE, _GATEWAY_TIMEOUT)
    for cause in causes:
        if isinstance(cause, ConnectionFailure | Timeout | RetryError | ChunkedEncodingError):
            return True
        if isinstance(cause, HTTPError) and cause.response is not None and cause.response.status_code in passing:
            return True
        if isinstance(cause, MlflowException) and cause.get_http_status_code() in passing:
            return True
    return any(words in str(error) for words in _LOST_IN_WORDS)


def without_password(text: str) -> str:
    """``text`` with the credentials in its addresses struck out."""
    return re.sub(r"//[^/@\s]+@", "//***@", text)
