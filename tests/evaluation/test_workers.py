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


def die_elsewhere(homes: Sequence[int]) -> list[int]:
    if os.getpid() not in homes:
        os._exit(1)
    return list(homes)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes take over as soon as they may: after two chunks."""
    monkeypatch.setattr(workers, "CHUNK_ITEMS", 10)
    monkeypatch.setattr(workers, "WORTH_SECONDS", 0.0)


def test_little_work_stays_in_this_process() -> None:
    assert set(map_chunks(process, range(5 * workers.CHUNK_ITEMS), 8, "test")) == {os.getpid()}
    assert map_chunks(double, [], 8, "test") == []


def test_a_single_worker_is_this_process(eager: None) -> None:
    assert set(map_chunks(process, range(100), 1, "test")) == {os.getpid()}


def test_much_work_goes_to_other_processes_and_comes_back_in_order(eager: None) -> None:
    found = map_chunks(process, range(107), 2, "test")
    assert set(found[:20]) == {os.getpid()}
    assert os.getpid() not in found[20:]
    assert map_chunks(double, range(107), 2, "test") == [2 * number for number in range(107)]


def test_a_worker_that_dies_is_reported_with_what_to_do(eager: None) -> None:
    with pytest.raises(UserError, match="SEQ2SUM_WORKERS"):
        map_chunks(die_elsewhere, [os.getpid()] * 100, 2, "test")
