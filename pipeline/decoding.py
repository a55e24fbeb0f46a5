"""Summaries by a version's own code, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pipeline.serving
from seq2sum.errors import UserError


class Decoded(NamedTuple):
    """A summary for each document, in order, and the seconds that the timed ones took if that was asked."""

    summaries: list[str]
    seconds: float | None


def decode(
    code: Path, model: Path, documents: Sequence[str], device: str = "cpu", threads: int = 1, num_timed: int = 0
) -> Decoded:
    """Summarizes with the package seq2sum in ``code`` and the model folder ``model``, under the model's own settings.

    With the defaults the same documents give the same bytes on the same kind of machine. Raises UserError with the
    last line of what went wrong.
    """
    script = Path(pipeline.serving.__file__).with_name("decode.py")
    task = {"documents": list(documents), "device": device, "num_timed": num_timed}
    done = subprocess.run(
        [sys.executable, "-P", "-B", str(script), str(code), str(model)],
        input=json.dumps(task),
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
        raise UserError(f"{model}: its own code does not summarize with it: {reason}")
    return Decoded(**json.loads(done.stdout))
