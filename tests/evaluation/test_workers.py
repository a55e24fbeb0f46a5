import os
from collections.abc import Sequence

import pytest

from seq2sum.errors import UserError
from seq2sum.evaluation import workers
from seq2sum.evaluation.workers import map_chunks


def double(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


def process(numbers: Sequence[int]) -> list[int]:
    return [os.getpid()] * len(numbers)


def die(numbers: Sequence[int]) -> list[int]:
    os._exit(1)


def test_small_work_and_a_single_worker_stay_in_this_process() -> None:
    many = range(3 * workers.ITEMS_PER_WORKER)
    assert set(map_chunks(process, many, 1, "test")) == {os.getpid()}
    assert set(map_chunks(process, many[: workers.ITEMS_PER_WORKER], 8, "test")) == {os.getpid()}
    assert map_chunks(double, [], 8, "test") == []


def test_large_work_goes_to_other_processes_and_comes_back_in_order() -> None:
    many = range(2 * workers.ITEMS_PER_WORKER + 17)
    assert os.getpid() not in map_chunks(process, many, 2, "test")
    assert map_chunks(double, many, 2, "test") == [2 * number for number in many]


def test_a_worker_that_dies_is_reported_with_what_to_do() -> None:
    with pytest.raises(UserError, match="SEQ2SUM_WORKERS"):
        map_chunks(die, range(2 * workers.ITEMS_PER_WORKER), 2, "test")
