"""Spreading work on many pairs over processes."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from seq2sum.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Importing rouge-score takes seconds, in which one process scores some ten thousand pairs.
ITEMS_PER_WORKER = 10_000
_CHUNK_ITEMS = 500


def map_chunks(
    function: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], num_workers: int, description: str
) -> list[Result]:
    """``function`` of all ``items``, handed to it in chunks by up to ``num_workers`` processes, with a progress bar.

    ``function`` gives one result per item, in order, each of its item alone; then the number of workers changes
    nothing. It must be a module's function (or a ``partial`` of one). Small work stays in this process.
    Raises UserError if a worker process dies.
    """
    chunks = [items[start : start + _CHUNK_ITEMS] for start in range(0, len(items), _CHUNK_ITEMS)]
    num_processes = min(num_workers, len(items) // ITEMS_PER_WORKER)
    results: list[Result] = []
    with tqdm(total=len(items), desc=description, unit="pair", mininterval=1) as bar:
        if num_processes < 2:
            for chunk in chunks:
                results += function(chunk)
                bar.update(len(chunk))
            return results
        # Not plain fork: this process may run threads (torch), whose locks a forked child would inherit.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["rouge_score.rouge_scorer"])
        executor = ProcessPoolExecutor(num_processes, mp_context=context)
        try:
            for part in executor.map(function, chunks):
                results += part
                bar.update(len(part))
        except BrokenProcessPool as error:
            raise UserError(
                f"{description}: a worker process died, most often for lack of memory. Set SEQ2SUM_WORKERS lower."
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)
    return results
