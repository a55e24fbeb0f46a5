"""How the gate measures two versions' speed, and which rows they write again."""

from collections.abc import Sequence

from pipeline.contenders import alternating_seconds, sampled_rows
from pipeline.decoding import Decoded, Decoder
from pipeline.tracking.registry import Version
from seq2sum.gate.verdict import latency_cost

DOCUMENTS = ["a document"] * 64


class Machine:
    """A machine on which the calls in ``busy`` take ten times as long."""

    def __init__(self, busy: range) -> None:
        self.calls: list[str] = []
        self._busy = busy

    def decoder(self, name: str, seconds: float) -> Decoder:
        def decode(documents: Sequence[str]) -> Decoded:
            load = 10 if len(self.calls) in self._busy else 1
            self.calls.append(name)
            return Decoded(["a summary"] * len(documents), load * seconds * len(documents))

        return decode


def measured_growth(busy: range) -> float:
    machine = Machine(busy)
    champion, challenger = alternating_seconds([machine.decoder("A", 0.1), machine.decoder("B", 0.12)], DOCUMENTS)
    return latency_cost(challenger, champion).delta


def test_a_neighbour_does_not_decide_whoever_it_meets() -> None:
    """It is busy for the first half, for the second half, or in between: the challenger is a fifth slower each time."""
    for busy in (range(0), range(24), range(24, 48), range(11, 30)):
        assert abs(measured_growth(busy) - 0.2) < 1e-9


def test_both_take_turns_and_neither_is_always_first() -> None:
    machine = Machine(range(0))
    alternating_seconds([machine.decoder("A", 0.1), machine.decoder("B", 0.1)], DOCUMENTS)
    assert "".join(machine.calls) == "ABBA" * 12


def test_latency_is_told_per_document_also_of_a_last_small_group() -> None:
    machine = Machine(range(0))
    (seconds,) = alternating_seconds([machine.decoder("A", 0.1)], DOCUMENTS[:11])
    assert seconds.round(9).tolist() == [0.1] * 6


def version(content: str) -> Version:
    return Version("seq2sum", "1", (), {"content_sha256": content}, 0, "run")


def test_who_edits_a_record_does_not_choose_the_rows_that_are_tried() -> None:
    rows = sampled_rows([version("a"), version("b")], 1000, 64)
    assert len(set(rows)) == 64
    assert rows == sampled_rows([version("a"), version("b")], 1000, 64)
    assert rows != sampled_rows([version("a"), version("edited")], 1000, 64)
    assert sampled_rows([version("a")], 3, 64) == [0, 1, 2]
