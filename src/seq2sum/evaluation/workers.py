"""Spreading work on many pairs over processes."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from seq2sum.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_ITEMS = 200
# Starting processes takes some seconds (each imports rouge-score), so they are for work that takes longer than this.
WORTH_SECONDS = 15.0


def map_chunks(
    function: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], num_workers: int, description: str
) -> list[Result]:
    """``function`` of all ``items``, handed to it in chunks by up to ``num_workers`` processes, with a progress bar.

    ``function`` gives one result per item, in order, each of its item alone; then the number of workers changes
    nothing. It must be a module's function (or a ``partial`` of one). What turns out to be little work stays in this
    process. Raises UserError if a worker process dies.
    """
    results: list[Result] = []
    chunks = [items[start : start + CHUNK_ITEMS] for start in range(0, len(items), CHUNK_ITEMS)]
    with tqdm(total=len(items), desc=description, unit="pair", mininterval=1) as bar:
        try:
            for part in _parts(function, chunks, num_workers):
                results += part
                bar.update(len(part))
        except BrokenProcessPool as error:
            raise UserError(
                f"{description}: a worker process died, most often for lack of memory. Set SEQ2SUM_WORKERS lower."
            ) from error
    return results


def _parts(
    function: Callable[[Sequence[Item]], Sequence[Result]], chunks: Sequence[Sequence[Item]], num_workers: int
) -> Iterator[Sequence[Result]]:
    """The results of each chunk, in order: in this process until the rest is seen to be worth starting others."""
    for index, chunk in enumerate(chunks):
        started = time.perf_counter()
        yield function(chunk)
        seconds_left = (time.perf_counter() - started) * (len(chunks) - index - 1)
        # The first chunk's time says little: it imports and fills caches.
        if num_workers > 1 and index > 0 and seconds_left > WORTH_SECONDS:
            yield from _in_processes(function, chunks[index + 1 :], num_workers)
            return


def _in_processes(
    function: Callable[[Sequence[Item]], Sequence[Result]], chunks: Sequence[Sequence[Item]], num_workers: int
) -> Iterator[Sequence[Result]]:
    # Not plain fork: this process may run threads (torch), whose locks a forked child would inherit.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rouge_score.rouge_scorer"])
    executor = ProcessPoolExecutor(min(num_workers, len(chunks)), mp_context=context)
    try:
        yield from executor.map(function, chunks)
    finally:
        executor.shutdown(cancel_futures=True)
