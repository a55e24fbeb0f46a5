from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking import chain
from pipeline.tracking.chain import Entry, champion_at, line_of_champions, next_entry, parse_entry, problems, taken_back


def make_chain(num_entries: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, num_entries + 1):
        head = entries[-1] if entries else None
        entries.append(next_entry(head, "me", "promote", str(number), {"reason": f"the {number}th"}))
    return entries


def test_a_chain_is_whole_and_survives_its_text() -> None:
    entries = make_chain(4)
    assert problems(entries, {entry.index: entry.hash for entry in entries}) == []
    assert [parse_entry(entry.text()) for entry in entries] == entries
    assert [entry.previous for entry in entries] == [None, "1", "2", "3"]
    assert problems([], {}) == []


@given(st.integers(0, 4), st.sampled_from(["time", "actor", "action", "version", "previous", "evidence", "above"]))
def test_an_edit_of_any_field_of_any_entry_is_found(place: int, name: str) -> None:
    entries = make_chain(5)
    value = {"evidence": {"reason": "another"}, "above": "f" * 64}.get(name, "x")
    entries[place] = replace(entries[place], **{name: value})
    assert any(problem.startswith(f"entry {place + 1}: edited") for problem in problems(entries, {}))


@given(st.integers(0, 3))
def test_an_edit_with_a_new_hash_breaks_the_link_below(place: int) -> None:
    entries = make_chain(5)
    edited = replace(entries[place], version="9")
    entries[place] = replace(edited, hash=edited.true_hash())
    assert problems(entries, {}) == [f"entry {place + 2}: does not follow the entry above; one of them was replaced"]


@given(st.integers(0, 3))
def test_a_removed_entry_is_found(place: int) -> None:
    entries = make_chain(5)
    del entries[place]
    assert any("missing" in problem for problem in problems(entries, {}))


def test_removed_or_rewritten_newest_entries_are_found_by_their_anchors() -> None:
    entries = make_chain(3)
    anchors = {entry.index: entry.hash for entry in entries}
    assert problems(entries[:2], anchors) == ["entry 3: removed; a version was tagged with its hash"]
    forged = replace(entries[2], actor="you")
    forged = replace(forged, hash=forged.true_hash())
    assert problems([*entries[:2], forged], {}) == []
    assert problems([*entries[:2], forged], anchors) == ["entry 3: rewritten; a version was tagged with another hash"]


@given(st.permutations(range(4)).filter(lambda order: list(order) != [0, 1, 2, 3]))
def test_reordered_entries_are_found(order: list[int]) -> None:
    entries = make_chain(4)
    assert problems([entries[place] for place in order], {}) != []
    renumbered = [replace(entries[place], index=number) for number, place in enumerate(order, start=1)]
    renumbered = [replace(entry, hash=entry.true_hash()) for entry in renumbered]
    assert problems(renumbered, {}) != []


def test_the_champion_of_a_moment_is_that_of_the_last_entry_before() -> None:
    entries = [replace(entry, time=f"2026-01-0{entry.index}T12:00:00.000+00:00") for entry in make_chain(3)]
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert champion_at(entries, noon) == entries[1]
    assert champion_at(entries, noon - timedelta(seconds=1)) == entries[0]
    assert champion_at(entries, noon - timedelta(days=2)) is None
    assert champion_at(entries, noon + timedelta(days=90)) == entries[2]


def test_a_clock_that_is_behind_does_not_reorder(monkeypatch: pytest.MonkeyPatch) -> None:
    future = replace(make_chain(1)[0], time="2999-01-01T00:00:00.000+00:00")
    future = replace(future, hash=future.true_hash())
    assert problems([future, next_entry(future, "me", "rollback", "1", {})], {}) == []
    assert chain.BEGINNING == "0" * 64


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"index": 1}', "null"])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an entry|Expecting value|missing"):
        parse_entry(text)
    whole = asdict(make_chain(1)[0])
    with pytest.raises(ValueError, match="index"):
        parse_entry(str({**whole, "index": "1"}).replace("'", '"').replace("None", "null"))


def ledger_of(*events: str) -> list[Entry]:
    """Entries of `promote 2`, `rollback 1`, `observed -` and the like; `rollback` alone goes one back in the line."""
    entries: list[Entry] = []
    for event in events:
        action, _, version = event.partition(" ")
        number = None if version == "-" else version or line_of_champions(entries)[-2]
        entries.append(next_entry(entries[-1] if entries else None, "me", action, number, {}))  # type: ignore[arg-type]
    return entries


THREE = ("first 1", "promote 2", "promote 3")


@pytest.mark.parametrize(
    ("later", "line"),
    [
        ((), "123"),
        (("rollback",), "12"),
        (("rollback", "rollback"), "1"),
        (("rollback 1",), "1"),
        (("rollback 1", "rollback 3"), "123"),
        (("rollback 1", "rollback 3", "rollback"), "12"),
        (("rollback 1", "promote 4"), "14"),
        (("rollback 1", "promote 4", "rollback 2"), "12"),
        (("rollback", "promote 4", "rollback"), "12"),
        (("promote 2",), "1232"),
        (("promote 2", "rollback", "rollback"), "12"),
        (("observed -",), "123"),
        (("observed -", "rollback 3"), "123"),
        (("observed -", "observed 3"), "123"),
        (("observed -", "observed 1"), "1231"),
    ],
)
def test_promotions_lengthen_the_line_of_champions_and_rollbacks_shorten_it(later: tuple[str, ...], line: str) -> None:
    assert "".join(line_of_champions(ledger_of(*THREE, *later))) == line


@pytest.mark.parametrize(
    ("later", "versions"),
    [
        ((), ""),
        (("rollback",), "3"),
        (("rollback 1",), "23"),
        (("rollback 1", "rollback 3"), ""),
        (("rollback", "promote 4"), "3"),
        (("rollback", "promote 3"), ""),
        (("rollback", "promote 4", "rollback 3"), "4"),
        (("promote 2", "rollback"), "2"),
        (("promote 4",), ""),
        (("observed -", "rollback 2"), "3"),
        (("observed 1",), ""),
    ],
)
def test_what_a_rollback_took_back_is_known_until_it_is_champion_again(later: tuple[str, ...], versions: str) -> None:
    found = taken_back(ledger_of(*THREE, *later))
    assert "".join(sorted(found)) == versions
    assert {entry.action for entry in found.values()} <= {"rollback"}


EVENT = st.tuples(st.sampled_from(["promote", "rollback", "observed"]), st.integers(1, 3)).map("{0[0]} {0[1]}".format)


@given(st.lists(EVENT, max_size=12))
def test_plain_rollbacks_end_whatever_came_before(later: list[str]) -> None:
    entries = ledger_of(*THREE, *later)
    line = line_of_champions(entries)
    assert line[-1] == entries[-1].version
    for end in range(len(line) - 1, 0, -1):
        entries.append(next_entry(entries[-1], "me", "rollback", line[end - 1], {}))
        assert line_of_champions(entries) == line[:end]
