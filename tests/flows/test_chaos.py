"""A few rounds of `make chaos`; see there what each asserts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demonstration.chaos import Factory, play_round


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    running = Factory(tmp_path_factory.mktemp("factory"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["trainer", "flow"])
def test_what_is_killed_is_made_good(factory: Factory, tmp_path: Path, victim: str) -> None:
    assert "1 processes" in play_round(factory, victim, 2.0, {"trainer": 2, "flow": 4}[victim])
