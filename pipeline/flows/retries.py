"""Which failures of a command pass by themselves, and how long a task waits for that."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from pipeline.flows.command import CommandError
from pipeline.tracking.connection import TEMPORARY_FAILURE

# Restarted servers and machines are back soon, others take their people an hour or so: about that long in all.
WAIT_SECONDS = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, *[300.0] * 11]
# Of DVC where its configuration, repository or command line is at fault. It has no status for a lost remote, and tells
# of one that is not configured in words alone.
_DVC_USER_ERRORS = (251, 253, 254)
_DVC_CONFIG_ERROR = "config file error"


def is_lost(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a command was killed; one that failed by itself would fail again."""
    error = _failure(state)
    return error is not None and error.is_lost


def may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a command was killed or could not reach a server; what a user has to mend would fail again."""
    error = _failure(state)
    return error is not None and (error.is_lost or error.status == TEMPORARY_FAILURE)


def transfer_may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a DVC transfer was killed or may have lost its remote."""
    error = _failure(state)
    return error is not None and error.status not in _DVC_USER_ERRORS and _DVC_CONFIG_ERROR not in str(error)


def _failure(state: State[Any]) -> CommandError | None:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, CommandError) else None
