"""The trials of a search, in a storage that several workers share: who takes which, and what killed ones leave."""

import contextlib
import os
import warnings
from collections.abc import Callable

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from pipeline.flows.search_space import NumberedSampler, TuneParams
from pipeline.tracking.follow import Trainer, is_running
from seq2sum.errors import UserError

STORAGE_VARIABLE = "SEQ2SUM_TUNE_STORAGE"
DEFAULT_STORAGE = "sqlite:///.cache/tune.db"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# A worker of another machine that is silent for so long is taken for dead.
BEAT_SECONDS, SILENT_SECONDS = 15, 90
# A trial that was lost this often is given up.
MOST_RETRIES = 3
# Of a trial: the process that works on it, as :class:`Trainer` names it.
_WORKER = "worker"


def opened_study(name: str, params: TuneParams) -> optuna.Study:
    """The search ``name`` in the storage that the environment names, made or joined.

    Raises UserError if that can't be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            storage = RDBStorage(
                os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE,
                heartbeat_interval=BEAT_SECONDS,
                grace_period=SILENT_SECONDS,
                heartbeat_stale_trial_callback=_retry,
            )
        except (SQLAlchemyError, StorageInternalError, ImportError) as error:
            raise UserError(f"{STORAGE_VARIABLE}: no database could be opened there ({error}).") from error
    return optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=NumberedSampler(params.seed, params.random_trials),
        pruner=MedianPruner(params.pruner.free_trials, params.pruner.free_steps),
        load_if_exists=True,
    )


def search(
    study: optuna.Study,
    num_trials: int,
    objective: Callable[[optuna.Trial], float],
    on_trial: Callable[[], None] = lambda: None,
) -> None:
    """Works on trials until ``num_trials`` ended or were pruned, by whichever worker; ``on_trial`` is told of ours.

    A trial whose process died is taken up again with the values that it had. Workers that end at the same time may
    make a trial more each.
    """

    def named(trial: optuna.Trial) -> float:
        trial.set_user_attr(_WORKER, Trainer(os.getpid()).tag)
        return objective(trial)

    _release_dead(study)
    if len(finished(study)) < num_trials:
        enough = MaxTrialsCallback(num_trials, FINISHED)
        study.optimize(named, callbacks=[enough, lambda _study, _trial: on_trial()])


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def _release_dead(study: optuna.Study) -> None:
    """Has trials taken up again at once whose process, of this machine, is gone; those of others are by silence."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if _WORKER in trial.user_attrs and is_running(trial.user_attrs[_WORKER]) is False:
            # Another worker may have been faster.
            with contextlib.suppress(ValueError, UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL)
                _retry(study, trial)


def _retry(study: optuna.Study, trial: FrozenTrial) -> None:
    # The values stay, not whose they were.
    trial.user_attrs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        RetryHeartbeatStaleTrialCallback(MOST_RETRIES)(study, trial)
