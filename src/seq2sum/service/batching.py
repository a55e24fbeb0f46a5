"""Concurrent callers of a model served together: one at a time uses the model, and takes along who waits."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Settings = TypeVar("Settings", bound=Hashable)


class _Request(Generic[Item, Result, Settings]):
    def __init__(self, items: Sequence[Item], settings: Settings) -> None:
        self.items = items
        self.settings = settings
        self.results: Sequence[Result] | None = None


class Batcher(Generic[Item, Result, Settings]):
    """Calls ``function(items, settings)``, one result per item in order, for many threads at once.

    While a call runs, further callers queue up; the first of them then calls for all that wait with like settings, up
    to ``max_items``. An idle model is called without delay, and no thread or timer of its own is needed.
    """

    def __init__(self, function: Callable[[Sequence[Item], Settings], Sequence[Result]], max_items: int) -> None:
        self._function = function
        self._max_items = max_items
        self._model = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Request[Item, Result, Settings]] = []

    def __call__(self, items: Sequence[Item], settings: Settings) -> Sequence[Result]:
        """Raises what the function raises for these items alone, whoever else is in the batch."""
        request: _Request[Item, Result, Settings] = _Request(items, settings)
        with self._queue:
            self._waiting.append(request)
        with self._model:
            if request.results is not None:
                return request.results
            batch = self._take(request)
            try:
                self._run(batch)
            except Exception:
                if len(batch) == 1:
                    raise
                # One of them is to blame: let each find out by itself.
                with self._queue:
                    self._waiting += batch[1:]
                self._run(batch[:1])
        assert request.results is not None
        return request.results

    def _take(self, first: _Request[Item, Result, Settings]) -> list[_Request[Item, Result, Settings]]:
        """``first`` and those that wait with the same settings, as many as fit."""
        with self._queue:
            batch, num_items = [first], len(first.items)
            for other in self._waiting:
                fits = num_items + len(other.items) <= self._max_items
                if other is not first and other.settings == first.settings and fits:
                    batch.append(other)
                    num_items += len(other.items)
            self._waiting = [request for request in self._waiting if request not in batch]
        return batch

    def _run(self, batch: list[_Request[Item, Result, Settings]]) -> None:
        items = [item for request in batch for item in request.items]
        results = self._function(items, batch[0].settings)
        start = 0
        for request in batch:
            request.results = results[start : start + len(request.items)]
            start += len(request.items)
