import json
import threading

from pipeline.demo.stream import lines_of
from seq2sum.errors import UserError


def test_lines_come_while_the_work_goes_on() -> None:
    may_go_on = threading.Event()

    def work(send):
        send({"writing": "ä"})
        assert may_go_on.wait(30)
        send({"done": True})

    lines = lines_of(work)
    assert json.loads(next(lines)) == {"writing": "ä"}
    may_go_on.set()
    assert [json.loads(line) for line in lines] == [{"done": True}]


def test_work_ends_when_nobody_listens() -> None:
    has_left, ended = threading.Event(), threading.Event()

    def work(send):
        try:
            send({})
            assert has_left.wait(30)
            send({})
            raise AssertionError("it went on")
        finally:
            ended.set()

    lines = lines_of(work)
    next(lines)
    lines.close()
    has_left.set()
    assert ended.wait(30)


def test_failures_are_told_last_and_only_those_of_the_user_in_detail() -> None:
    def of_user(send):
        send({"writing": ""})
        raise UserError("loosen them")

    def of_server(_send):
        raise ZeroDivisionError("secret")

    assert [json.loads(line) for line in lines_of(of_user)] == [{"writing": ""}, {"error": "loosen them"}]
    (told,) = map(json.loads, lines_of(of_server))
    assert "secret" not in told["error"]
