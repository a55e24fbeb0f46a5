"""Summaries by a version's own code, in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pipeline.serving
from seq2sum.errors import UserError


class Decoded(NamedTuple):
    """A summary for each document, in order, and the seconds that they took."""

    summaries: list[str]
    seconds: float


Decoder = Callable[[Sequence[str]], Decoded]


@contextlib.contextmanager
def decoder(code: Path, model: Path, device: str = "cpu", threads: int = 1) -> Iterator[Decoder]:
    """Summarizes with the package seq2sum in ``code`` and the model folder ``model``, under the model's own settings.

    With the defaults the same documents give the same bytes on the same kind of machine. Between two calls the process
    waits and needs no processor. A call raises UserError with the last line of what went wrong.
    """
    script = Path(pipeline.serving.__file__).with_name("decode.py")
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-P", "-B", str(script), str(code), str(model), device],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def decode_documents(documents: Sequence[str]) -> Decoded:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps(list(documents)) + "\n")
                stdin.flush()
            answer = stdout.readline()
            if not answer:
                status = process.wait()
                errors.seek(0)
                reason = [f"status {status}", *errors.read().strip().splitlines()][-1]
                raise UserError(f"{model}: its own code does not summarize with it: {reason}")
            return Decoded(**json.loads(answer))

        try:
            yield decode_documents
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()


def decode(code: Path, model: Path, documents: Sequence[str], device: str = "cpu", threads: int = 1) -> list[str]:
    """A summary for each document; see :func:`decoder`."""
    with decoder(code, model, device, threads) as decode_documents:
        return decode_documents(documents).summaries
