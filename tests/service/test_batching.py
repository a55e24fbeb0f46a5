import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2sum.service.batching import Batcher

MOST = 8


class Model:
    """Squares numbers by a power, notes what it is called with, and is never called by two at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: list[tuple[list[int], int]] = []
        self._busy = threading.Lock()
        self._seconds = seconds

    def __call__(self, items: Sequence[int], power: int) -> list[int]:
        assert self._busy.acquire(blocking=False), "called by two threads at once"
        try:
            time.sleep(self._seconds)
            self.calls.append((list(items), power))
            if -1 in items:
                raise ValueError("a bad item")
            return [item**power for item in items]
        finally:
            self._busy.release()


def call_all(batcher: Batcher[int, int, int], requests: list[tuple[list[int], int]]) -> list[object]:
    """Each request by a thread of its own; its results or what it raised."""
    outcomes: list[object] = [None] * len(requests)

    def call(place: int) -> None:
        try:
            outcomes[place] = list(batcher(*requests[place]))
        except ValueError as error:
            outcomes[place] = str(error)

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@given(st.lists(st.tuples(st.lists(st.integers(-1, 9), max_size=4), st.integers(1, 3)), max_size=8))
def test_everyone_gets_the_results_of_their_own_items(requests: list[tuple[list[int], int]]) -> None:
    model = Model()
    outcomes = call_all(Batcher(model, MOST), requests)
    assert outcomes == ["a bad item" if -1 in items else [item**power for item in items] for items, power in requests]
    assert all(len(items) <= MOST for items, _ in model.calls)


def test_who_waits_is_taken_along() -> None:
    model = Model(seconds=0.3)
    outcomes = call_all(Batcher(model, MOST), [([number], 2) for number in range(7)])
    assert outcomes == [[number**2] for number in range(7)]
    assert len(model.calls) < 5
    assert max(len(items) for items, _ in model.calls) > 1


def test_more_than_fits_is_called_alone_and_others_apart() -> None:
    model = Model(seconds=0.1)
    outcomes = call_all(Batcher(model, MOST), [(list(range(20)), 1), ([1], 1), ([2], 2)])
    assert outcomes == [list(range(20)), [1], [4]]
    assert sorted(len(items) for items, _ in model.calls) == [1, 1, 20]


def test_an_idle_model_is_called_at_once_and_its_error_reaches_the_caller() -> None:
    batcher = Batcher(Model(), MOST)
    assert list(batcher([3], 2)) == [9]
    with pytest.raises(ValueError, match="a bad item"):
        batcher([-1], 1)
    assert list(batcher([4], 1)) == [4]
