"""What the page asks of its server, by a plain HTTP client against a real one on loopback."""

import base64
import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.demo import app as demo_app
from seq2sum.activations import reading_activations
from seq2sum.data.sources.files import FilePairs
from seq2sum.data_config import FilesSource
from seq2sum.explain import explain
from seq2sum.summarize import Summarizer
from tests.demo.served import SEARCH, TEXT, Served, served_page

STATIC = Path(demo_app.__file__).parent / "static"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_page(tmp_path_factory.mktemp("demo")) as page:
        yield page


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.address, timeout=120) as opened:
        yield opened


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def ask(client: httpx.Client, **changes: Any) -> httpx.Response:
    return client.post("/api/summarize", json={"model": "champion", "document": TEXT} | changes)


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 422
    return str(response.json()["error"])


def test_the_page_and_all_its_parts_come_from_this_server_and_name_no_other(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    parts = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
    assert len(parts) == 2
    scripts = [path.name for path in STATIC.glob("*.js")]
    for text in (page.text, *(client.get(f"/static/{path.name}").raise_for_status().text for path in STATIC.iterdir())):
        assert not re.search(r"https?:|//\w+\.|@import|url\(", text)
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert name in scripts


def test_a_summary_grows_and_ends_as_the_library_writes_it(client: httpx.Client, served: Served) -> None:
    *growing, last = events(ask(client, best=3))
    summarizer = Summarizer.load(served.champion)
    (best,) = summarizer.summarize_best([TEXT], SEARCH, 3)
    assert [tuple(one["ids"]) for one in last["summaries"]] == [one.ids for one in best]
    assert [one["text"] for one in last["summaries"]] == [one.text for one in best]
    assert len(growing) > len(best[0].ids)
    assert all(set(event) == {"writing"} for event in growing)
    lengths = [len(event["writing"]) for event in growing]
    assert lengths[0] == 0
    assert lengths[-1] > 0

    found = explain(summarizer, TEXT, best[0].ids)
    told = last["explanation"]
    assert [word["text"] for word in told["words"]] == best[0].text.split()
    assert [word["copied"] for word in told["words"]] == pytest.approx([word.copied for word in found.words], abs=1e-4)
    np.testing.assert_allclose(told["attention"], [one.attention for one in found.origins], atol=1e-4)
    assert "".join(text for text, _, _ in told["segments"]) == TEXT
    second = client.post("/api/explain", json={"model": "champion", "document": TEXT, "ids": best[1].ids}).json()
    assert [word["text"] for word in second["words"]] == best[1].text.split()


def test_settings_are_kept_and_bad_ones_are_told(client: httpx.Client) -> None:
    for event in events(ask(client, search={"max_words": 2, "beam_size": 2}, best=5))[-1]["summaries"]:
        assert len(event["text"].split()) <= 2
    events(ask(client, search={"source_support": True}))
    (refused,) = events(ask(client, search={"beam_size": 0}))
    assert refused["error"].startswith("beam_size: ")
    (refused,) = events(ask(client, search={"beams": 2}))
    assert "beams: unknown" in refused["error"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"document": " \n"}, "the document is empty"),
        ({"document": "bell \a"}, "control character U+0007"),
        ({"model": "rival"}, "no model 'rival' here, but: champion, challenger"),
        ({"best": 0}, "best"),
        ({"colour": "red"}, "colour: unknown"),
    ],
)
def test_bad_questions_get_kind_answers(client: httpx.Client, changes: dict[str, Any], message: str) -> None:
    told = refusal(ask(client, **changes))
    assert message in told
    assert "Row" not in told


def test_what_is_too_large_or_asked_under_a_strange_name_is_refused(client: httpx.Client) -> None:
    refused = client.post("/api/batch", content=b"x" * 4_000_001)
    assert refused.status_code == 413
    assert refused.json()["message"] == "A request of more than 4,000,000 bytes. Send the documents in parts."
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


@pytest.mark.parametrize("gate", ["forget", "input", "output"])
def test_gates_are_those_of_the_reference_in_order(client: httpx.Client, served: Served, gate: str) -> None:
    question = {"model": "champion", "document": TEXT, "gate": gate, "direction": "back"}
    told = client.post("/api/gates", json=question).raise_for_status().json()
    rows = np.frombuffer(base64.b64decode(told["values"]), np.uint8).reshape(told["num_units"], -1) / 255
    expected = getattr(reading_activations(Summarizer.load(served.champion), TEXT, reverse=True), gate).numpy().T
    np.testing.assert_allclose(rows, expected[np.argsort(expected.mean(axis=1))], atol=0.5 / 255 + 1e-6)
    assert len(told["source_pieces"]) == rows.shape[1]


def test_votes_are_kept_and_become_pairs_that_the_pipeline_reads(
    client: httpx.Client, served: Served, tmp_path: Path
) -> None:
    summaries = {"champion": "a ferry", "challenger": "ein Schiff 😀"}
    for choice in ("challenger", "both", "champion", "neither", "challenger"):
        counts = client.post("/api/votes", json={"document": TEXT, "choice": choice, **summaries}).json()
    assert counts == {"both": 1, "challenger": 2, "champion": 1, "neither": 1}
    assert client.get("/api/about").json()["votes"] == counts
    pairs = [json.loads(line) for line in client.get("/api/votes.jsonl").text.splitlines()]
    assert [(pair["summary"], pair["rejected"]) for pair in pairs] == [
        ("ein Schiff 😀", "a ferry"),
    ]
    assert {pair["document"] for pair in pairs} == {TEXT}
    named = tmp_path / "votes.jsonl"
    named.write_bytes(client.get("/api/votes.jsonl?document=body&summary=subject&key=number&key=author").content)
    columns = {"document": "body", "summary": "subject", "id": "number", "group": "author"}
    source = FilesSource.model_validate({"kind": "files", "paths": {"all": [str(named)]}, **columns})
    (read,) = FilePairs(source).pairs(None)
    assert (read.document, read.summary) == (TEXT, pairs[0]["summary"])
    assert read.id.startswith("vote:")
    with sqlite3.connect(served.votes) as store:
        models = store.execute("SELECT DISTINCT champion_model, challenger_model FROM votes").fetchall()
    assert [len(one) for one in models[0]] == [64, 64]
    assert models[0][0] != models[0][1]
    refused = client.post("/api/votes", json={"document": TEXT, "choice": "mine", **summaries})
    assert "choice" in refusal(refused)


def upload(
    client: httpx.Client, name: str, content: str | bytes, column: str = "document", search: str = "{}"
) -> httpx.Response:
    query = {"model": "champion", "name": name, "column": column, "search": search}
    return client.post("/api/batch", params=query, content=content)


def as_csv(rows: list[list[str]], delimiter: str = ",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue()


def test_a_batch_is_summarized_row_by_row_from_any_format(client: httpx.Client, served: Served) -> None:
    documents = [f'Ship {number} comes\nback before dark, says the "mill".' for number in range(11)]
    summarizer = Summarizer.load(served.champion)
    expected = [one.text for one in summarizer.summarize(documents, SEARCH)]
    rows = [["id", "text"], *([str(number), document] for number, document in enumerate(documents))]
    files = {
        "a.jsonl": "\ufeff" + "\n".join(json.dumps({"text": document}) for document in documents) + "\n\n",
        "a.csv": as_csv(rows),
        "a.tsv": as_csv(rows, "\t"),
    }
    for name, content in files.items():
        first, *answers = events(upload(client, name, content, "text"))
        assert first == {"total": 11}
        assert [answer["document"] for answer in answers] == documents
        assert [answer["row"] for answer in answers] == [1 + n if name == "a.jsonl" else 2 + 2 * n for n in range(11)]
        assert [answer["summary"] for answer in answers] == expected


def test_a_batch_is_written_with_the_settings_that_were_asked_for(client: httpx.Client, served: Served) -> None:
    documents = [f"Ship {number} comes back before dark." for number in range(3)]
    content = "\n".join(json.dumps({"document": document}) for document in documents)
    _, *answers = events(upload(client, "a.jsonl", content, search='{"max_words": 2, "beam_size": 2}'))
    search = SEARCH.model_copy(update={"max_words": 2, "beam_size": 2})
    expected = Summarizer.load(served.champion).summarize(documents, search)
    assert [answer["summary"] for answer in answers] == [one.text for one in expected]
    assert all(len(answer["summary"].split()) <= 2 for answer in answers)
    assert "beam_size" in refusal(upload(client, "a.jsonl", content, search='{"beam_size": 0}'))
    assert "beam_size: 65 " in refusal(upload(client, "a.jsonl", content, search='{"beam_size": 65}'))
    assert "search" in refusal(upload(client, "a.jsonl", content, search="[]"))


@pytest.mark.parametrize(
    ("name", "rows", "reasons"),
    [
        (
            "a.jsonl",
            [b'{"document": "x y"}', b"", b"{", b'{"text": "x"}', b'{"document": " "}', b'{"document": 3}', b"[]"],
            {
                3: "not JSON",
                4: "there is no document (null)",
                5: "the document is empty",
                6: "the document is a number, not text",
                7: "a list where a JSON object",
            },
        ),
        (
            "a.csv",
            [b"id,document", b'1,"two', b'lines"', b"2", b"3,Gr\xf6\xdfe", b"4,bell \a", b"5,x", b'6,"open'],
            {4: "1 fields where the header has 2", 5: "not UTF-8", 6: "U+0007", 8: "unexpected end of data"},
        ),
    ],
)
def test_a_bad_row_is_left_out_by_its_line_and_the_others_are_summarized(
    client: httpx.Client, name: str, rows: list[bytes], reasons: dict[int, str]
) -> None:
    first, *answers = events(upload(client, name, b"\n".join(rows)))
    assert first == {"total": len(answers)}
    assert [answer["row"] for answer in answers] == sorted(answer["row"] for answer in answers)
    rejected = {answer["row"]: answer["rejected"] for answer in answers if "rejected" in answer}
    assert rejected.keys() == reasons.keys()
    assert all(reasons[row] in reason for row, reason in rejected.items())
    good = {answer["row"]: answer["document"] for answer in answers if "summary" in answer}
    assert good == ({1: "x y"} if name == "a.jsonl" else {2: "two\nlines", 7: "x"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", "%PDF", "a.pdf: unknown suffix"),
        ("a.jsonl", '{"text": "x"}', "a.jsonl: no column 'document'"),
        ("a.jsonl", "\n", "a.jsonl: holds no rows"),
        ("a.csv", "id,text\n1,x\n", "a.csv: no column 'document'. There are: 'id', 'text'."),
        ("a.csv", b"Gr\xf6\xdfe\n", "a.csv, line 1: not UTF-8"),
        ("a.csv", "document\n" + "some words\n" * 41, "41 rows; at most 40"),
    ],
)
def test_a_file_without_rows_to_read_is_refused(
    client: httpx.Client, name: str, content: str | bytes, message: str
) -> None:
    assert message in refusal(upload(client, name, content))
