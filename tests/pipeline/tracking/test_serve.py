"""The server of a registered version, asked as clients and attackers would."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seq2sum.summarize import Summarizer
from tests.pipeline.tracking.project import TEXTS, environment

SECRET = "Zanzibar"


class Served(NamedTuple):
    port: int
    log: Path

    def ask(self, body: bytes, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations", body, {"Content-Type": "application/json", **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def summarize(self, documents: list[Any], **params: Any) -> tuple[int, str]:
        body = {"dataframe_split": {"columns": ["document"], "data": [[document] for document in documents]}}
        return self.ask(json.dumps(body | {"params": params}).encode())


def rows(answer: str) -> list[dict[str, Any]]:
    return list(json.loads(answer)["predictions"])


@pytest.fixture(scope="module")
def served(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-c", "from pipeline.cli import app; app()", "serve", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=published, env=environment(""), stdout=stream, stderr=stream)
    deadline = time.monotonic() + 180
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield Served(port, log)
    process.terminate()
    process.wait()


def test_it_answers_as_the_model_does_and_heeds_the_params(served: Served, published: Path) -> None:
    summarizer = Summarizer.load(published / "models/summarizer")
    assert summarizer.search is not None
    status, answer = served.summarize(TEXTS)
    assert status == 200
    assert [row["summary"] for row in rows(answer)] == [
        summary.text for summary in summarizer.summarize(TEXTS, summarizer.search)
    ]
    greedy = summarizer.search.model_copy(update={"beam_size": 1, "min_tokens": 1, "max_tokens": 2})
    status, answer = served.summarize(TEXTS, num_beams=1, min_tokens=1, max_tokens=2)
    assert [row["summary"] for row in rows(answer)] == [summary.text for summary in summarizer.summarize(TEXTS, greedy)]
    status, answer = served.summarize([" ".join(TEXTS) * 9, TEXTS[0]])
    assert [row["truncated"] for row in rows(answer)] == [True, False]


@pytest.mark.parametrize(
    ("documents", "status", "message"),
    [
        ([""], 400, "Row 0: the document is no text or empty"),
        (["text", "  "], 400, "Row 1: the document is no text or empty"),
        (["text", None], 400, "Row 1: the document is no text or empty"),
        (["text", float("nan")], 400, "Row 1: the document is no text or empty"),
        ([3.5], 400, "document"),
        ([["text"]], 400, "document"),
        ([f"{SECRET}\x00"], 400, "Row 0: the document holds the control character U+0000"),
        ([f"{SECRET} \ud800"], 400, "surrogates not allowed"),
        ([SECRET * 200_000], 400, "a document of 1,600,000 characters; at most 1,000,000"),
        ([SECRET * 700_000], 413, "A request of more than 4,000,000 bytes"),
        (["text"] * 10_000, 400, "10,000 rows; at most 1,000"),
    ],
)
def test_bad_input_is_the_clients_error_and_says_what_is_wrong(
    served: Served, documents: list[Any], status: int, message: str
) -> None:
    found, answer = served.summarize(documents)
    assert (found, message in answer) == (status, True), answer[:500]
    assert len(answer) < 2000


@pytest.mark.parametrize(
    ("param", "value", "most"),
    [
        ("num_beams", 10**12, "64"),
        ("max_tokens", 10**12, "1,000"),
        ("risk_samples", 10**10, "256"),
        ("length_penalty", 1e308, "100.0"),
    ],
)
def test_a_search_that_would_take_all_memory_is_the_clients_error(
    served: Served, param: str, value: float, most: str
) -> None:
    status, answer = served.summarize([TEXTS[0]], **{param: value})
    assert (status, f"{param}: " in answer, f"at most {most}." in answer) == (400, True, True), answer
    assert served.summarize([TEXTS[0]])[0] == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"", {}),
        (b"[]", {}),
        (b'{"dataframe_records": [{"text": "no such column"}]}', {}),
        (b'{"dataframe_records": [{"document": "text"}], "params": {"num_beams": 0}}', {}),
        (b"document\ntext\n", {"Content-Type": "image/png"}),
    ],
)
def test_what_is_no_request_is_the_clients_error(served: Served, body: bytes, headers: dict[str, str]) -> None:
    status, _ = served.ask(body, **headers)
    assert 400 <= status < 500


def test_foreign_hosts_are_refused(served: Served) -> None:
    body = json.dumps({"dataframe_records": [{"document": TEXTS[0]}]}).encode()
    assert served.ask(body, Host="evil.example")[0] == 400
    assert served.ask(body, Host=f"localhost:{served.port}")[0] == 200


def test_many_clients_at_once_all_get_their_own_answers(served: Served) -> None:
    documents = [f"{TEXTS[number % 2]} Number {number} stands here." for number in range(24)]
    alone = [rows(served.summarize([document])[1])[0]["summary"] for document in documents]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda document: served.summarize([document]), documents))
    assert {status for status, _ in answers} == {200}
    assert [rows(answer)[0]["summary"] for _, answer in answers] == alone


def test_documents_do_not_reach_the_log(served: Served) -> None:
    served.summarize([f"{SECRET} is a place."])
    served.summarize([f"{SECRET}\x00"])
    log = served.log.read_text()
    assert "POST /invocations" in log
    assert SECRET not in log
