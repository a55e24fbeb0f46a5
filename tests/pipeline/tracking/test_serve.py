"""The server of a registered version, asked as clients and attackers would."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import mlflow
import pytest

from pipeline.serving.app import create_app
from pipeline.serving.pyfunc_model import MAX_BATCH_DOCUMENTS
from seq2sum.config import SearchParams
from seq2sum.summarize import Summarizer, Summary
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


def test_the_log_begins_without_a_warning(served: Served) -> None:
    assert "arning" not in served.log.read_text()
    assert "type hint" not in served.log.read_text()


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
        ([""], 400, "Row 0: the document is empty."),
        (["text", "  "], 400, "Row 1: the document is empty."),
        (["text", None], 400, "Row 1: there is no document (null)."),
        (["text", float("nan")], 400, "Row 1: there is no document (null)."),
        ([3.5], 400, "Row 0: the document is a number, not text."),
        (["text", 3], 400, "Row 1: the document is a number, not text."),
        ([["text"]], 400, "Row 0: the document is a list, not text."),
        ([f"{SECRET}\x00"], 400, "Row 0: the document holds the control character U+0000"),
        ([f"{SECRET} \ud800"], 400, "can't be read as a table of texts in valid Unicode"),
        ([SECRET * 200_000], 400, "a document of 1,600,000 characters; at most 1,000,000"),
        ([SECRET * 700_000], 413, "A request of more than 4,000,000 bytes"),
        ([SECRET * 5_000_000], 413, "A request of more than 4,000,000 bytes"),
        (["text"] * 10_000, 400, "10,000 rows; at most 1,000"),
    ],
)
def test_bad_input_is_the_clients_error_and_says_what_is_wrong(
    served: Served, documents: list[Any], status: int, message: str
) -> None:
    found, answer = served.summarize(documents)
    assert (found, message in answer) == (status, True), answer[:500]
    assert len(answer) < 500
    assert SECRET not in answer


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


JSON, CSV = "application/json", "text/csv"
ROWS = f'"dataframe_records": [{{"document": "{SECRET}"}}]'


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (f'{{"dataframe_records": [{{"document": "{SECRET}"', JSON, "The request is not JSON: "),
        (SECRET.encode() + b"\xe9", JSON, "The request is not UTF-8 (byte 8)."),
        ("", JSON, "The request is not JSON: "),
        ("[" * 100_000, JSON, "nested too deeply"),
        (f'{{{ROWS}, "params": {{"num_beams": {"9" * 5000}}}}}', JSON, "a number of too many digits"),
        (f'{{{ROWS}, "params": {{"length_penalty": {"9" * 400}}}}}', JSON, "length_penalty"),
        (f'{{"dataframe_records": [{{"document": {"9" * 4000}}}]}}', JSON, "Row 0: the document is a number"),
        (f'["{SECRET}"]', JSON, "A request is a JSON object with one of dataframe_records, "),
        (f'{{{ROWS}, "inputs": ["{SECRET}"]}}', JSON, "A request is a JSON object with one of dataframe_records, "),
        (f'{{"dataframe_records": {{"document": "{SECRET}"}}}}', JSON, "dataframe_records: can't be read as a table"),
        (f'{{"dataframe_split": [["{SECRET}"]]}}', JSON, "dataframe_split: can't be read as a table"),
        (f'{{"dataframe_records": [{{"text": "{SECRET}"}}]}}', JSON, "a text in the column 'document'"),
        (f'{{"inputs": [["{SECRET}", 3]]}}', JSON, "Row 0: the document is a list, not text."),
        (f'{{"instances": [{{"text": "{SECRET}"}}]}}', JSON, "a text in the column 'document'"),
        (f"{SECRET}\n{SECRET}\n", CSV, "a text in the column 'document'"),
        (f'document\n"{SECRET}\n', CSV, "text/csv: can't be read as a table"),
        (SECRET, "application/vnd.apache.parquet", "can't be read as a table"),
        (SECRET, "image/png", "Content-Type: none of text/csv, application/json"),
        (f'{{{ROWS}, "params": {{"num_beams": 0}}}}', JSON, "num_beams"),
        (f'{{{ROWS}, "params": {{"num_beams": "many"}}}}', JSON, "num_beams"),
        (f'{{{ROWS}, "params": [4]}}', JSON, "must be a dictionary"),
        # MLflow drops these, so that who mistypes would not learn of it.
        (f'{{{ROWS}, "params": {{"num_beam": 4, "max_tokens": 9}}}}', JSON, "params: 'num_beam' unknown. Known are: "),
        (f'{{{ROWS}, "parms": {{"num_beams": 4}}}}', JSON, "Unknown: 'parms'. A request is"),
        (f'{{{ROWS}, "num_beams": 4}}', JSON, "Unknown: 'num_beams'. A request is"),
    ],
)
def test_what_is_no_request_is_the_clients_error_and_is_not_quoted(
    served: Served, body: str | bytes, kind: str, message: str
) -> None:
    status, answer = served.ask(body.encode() if isinstance(body, str) else body, **{"Content-Type": kind})
    assert (status, message in json.loads(answer)["message"]) == (400, True), answer[:500]
    assert SECRET not in answer
    assert SECRET not in served.log.read_text()


def test_the_known_params_are_named_where_one_is_unknown(served: Served, published: Path) -> None:
    search = Summarizer.load(published / "models/summarizer").search
    assert search is not None
    _, answer = served.summarize(TEXTS, beam_size=3)
    told = json.loads(answer)["message"].removeprefix("params: 'beam_size' unknown. Known are: ")
    names = {"num_beams" if name == "beam_size" else name for name in type(search).model_fields}
    assert set(told.removesuffix(".").split(", ")) == names


@pytest.mark.parametrize("table", ["dataframe_records", "instances"])
def test_all_of_mlflows_forms_of_a_table_are_answered(served: Served, table: str) -> None:
    expected = rows(served.summarize(TEXTS)[1])
    records = [{"document": text} for text in TEXTS]
    assert rows(served.ask(json.dumps({table: records}).encode())[1]) == expected
    assert rows(served.ask(json.dumps({"inputs": {"document": TEXTS}}).encode())[1]) == expected
    csv = "document\n" + "".join(f'"{text}"\n' for text in TEXTS)
    assert rows(served.ask(csv.encode(), **{"Content-Type": "text/csv; charset=utf-8"})[1]) == expected


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


def test_requests_that_wait_are_summarized_together_however_few_processors_there_are(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first holds the model until a full batch of others waits."""
    (folder,) = published.glob("mlartifacts/seq2sum/models/*/artifacts")
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = mlflow.pyfunc.load_model(str(folder))
    batcher, sizes = model.unwrap_python_model()._summarize, []
    summarize = batcher._function

    def counted(documents: Sequence[str], search: SearchParams) -> Sequence[Summary]:
        deadline = time.monotonic() + 20
        while not sizes and len(batcher._waiting) < MAX_BATCH_DOCUMENTS and time.monotonic() < deadline:
            time.sleep(0.01)
        sizes.append(len(documents))
        return summarize(documents, search)

    monkeypatch.setattr(batcher, "_function", counted)

    async def ask_at_once() -> list[int]:
        app = httpx.ASGITransport(create_app(model, ["localhost"]))
        async with httpx.AsyncClient(transport=app, base_url="http://localhost", timeout=120) as client:
            asked = (client.post("/invocations", json={"inputs": TEXTS[:1]}) for _ in range(MAX_BATCH_DOCUMENTS + 1))
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert set(asyncio.run(ask_at_once())) == {200}
    assert sizes == [1, MAX_BATCH_DOCUMENTS]


def test_documents_do_not_reach_the_log(served: Served) -> None:
    served.summarize([f"{SECRET} is a place."])
    served.summarize([f"{SECRET}\x00"])
    log = served.log.read_text()
    assert "POST /invocations" in log
    assert SECRET not in log
