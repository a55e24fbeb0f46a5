import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.journal import Point, read_growing_journal, read_journal
from pipeline.tracking.outbox import OUTBOX_NAME, Outbox, opened_outbox
from seq2sum.errors import UserError
from tests.pipeline.tracking.project import journal_lines, write_lines

POINTS = st.builds(
    Point, st.sampled_from(["train/loss", "validation/loss"]), st.integers(0, 5), st.floats(allow_nan=False)
)


def test_a_journal_is_read_as_points_in_order(tmp_path: Path) -> None:
    write_lines(tmp_path / "journal.jsonl", journal_lines(range(1, 3)))
    expected = [
        Point("train/loss", 1, 1.0),
        Point("validation/loss", 1, 2.0),
        Point("train/loss", 2, 0.5),
        Point("validation/loss", 2, 1.0),
    ]
    assert read_journal(tmp_path / "journal.jsonl") == expected
    assert read_growing_journal(tmp_path / "journal.jsonl") == expected


@pytest.mark.parametrize(
    "line", ['{"step": 2, "phase": "likelihood", "va', '{"step": 2}', "[1]", '{"step": 2, "values": {"loss": "low"}}']
)
def test_a_broken_line_is_named_in_a_finished_journal_and_passed_over_in_a_growing_one(
    tmp_path: Path, line: str
) -> None:
    journal = tmp_path / "journal.jsonl"
    write_lines(journal, journal_lines(range(1, 2)))
    whole = read_journal(journal)
    journal.write_text(journal.read_text() + line + "\n")
    with pytest.raises(UserError, match=r"journal\.jsonl:2: "):
        read_journal(journal)
    assert read_growing_journal(journal) == whole


def test_a_line_counts_once_it_has_ended(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    line = json.dumps({"step": 12, "phase": "likelihood", "values": {"train/loss": 1.25}})
    for size in range(len(line) + 1):
        journal.write_text(line[:size])
        assert read_growing_journal(journal) == []
    journal.write_text(line + "\n")
    assert read_growing_journal(journal) == [Point("train/loss", 12, 1.25)]


def test_a_journal_that_is_not_there_yet_has_no_points_and_a_finished_one_must_be_there(tmp_path: Path) -> None:
    assert read_growing_journal(tmp_path / "journal.jsonl") == []
    with pytest.raises(UserError, match=r"journal\.jsonl: not found"):
        read_journal(tmp_path / "journal.jsonl")


@given(batches=st.lists(st.lists(POINTS, max_size=4), max_size=5), torn=st.integers(0, 40))
def test_an_outbox_keeps_each_point_once_with_its_first_value_and_time_through_kills(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Point]], torn: int
) -> None:
    path = tmp_path_factory.mktemp("outbox") / OUTBOX_NAME
    first: dict[tuple[str, int], float] = {}
    stamped = []
    for batch in batches:
        outbox = Outbox(path)
        assert outbox.points() == stamped
        outbox.add(batch)
        for point in batch:
            first.setdefault((point.key, point.step), point.value)
        assert {(point.key, point.step): point.value for point, _ in outbox.points()} == first
        assert len(outbox.points()) == len(first)
        stamped = outbox.points()
        if path.exists():
            # A writer killed while it appended leaves part of a line.
            with path.open("a") as stream:
                stream.write('{"point": ["train/loss", 99, 0.5], "timestamp": 7}'[:torn])


def test_an_outbox_serves_one_process_at_a_time(tmp_path: Path) -> None:
    held, refused = opened_outbox(tmp_path, wait_seconds=0), opened_outbox(tmp_path, wait_seconds=0.2)
    with held, pytest.raises(UserError, match="still held"), refused:
        pass
    with opened_outbox(tmp_path, wait_seconds=0) as outbox:
        assert outbox.points() == []
