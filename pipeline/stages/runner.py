"""What every stage's command line shares: params in, one-screen errors out."""

import signal
import sys
from collections.abc import Callable

from pipeline import paths
from pipeline.supervision import end_with_starter
from seq2sum.config import Params
from seq2sum.errors import UserError
from seq2sum.params_file import load_params


def run_stage(name: str, stage: Callable[[Params], None]) -> None:
    """Runs ``stage`` with the validated params.yaml; exits with 2 on what the user can mend."""
    run_guarded(name, lambda: stage(load_params(paths.PARAMS)))


def run_guarded(name: str, work: Callable[[], None]) -> None:
    """Runs ``work``; exits with 2 on what the user can mend."""
    # As an exception it lets unfinished outputs be removed; a stage may still take the signal over.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Killing `dvc` leaves its children running.
    end_with_starter()
    try:
        work()
    except UserError as error:
        sys.exit(_failed(name, str(error)))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_failed(name, f"{where}{error.strerror or error}. Free space or fix access, then run again."))
    except KeyboardInterrupt:
        sys.exit(130)


def _failed(name: str, message: str) -> int:
    print(f"\n{name} failed: {message}", file=sys.stderr)
    return 2
