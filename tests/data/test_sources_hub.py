"""The hub's client as it is, in a process of its own, against a server on this machine that speaks the hub's API."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from seq2sum.data_config import HubSource

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE: dict[str, Any] = {
    "kind": "hub",
    "name": "owner/news",
    "config": None,
    "revision": "main",
    "document": "article",
    "summary": "highlights",
    "splits": {"train": "train", "val": "validation", "test": "test"},
    "streaming": False,
}
ONE_SPLIT = {"splits": {"all": "validation"}}
CASES: dict[str, dict[str, Any]] = {
    "cached": {},
    "streamed": {"streaming": True},
    "one split": ONE_SPLIT,
    "unknown name": {"name": "owner/olds"},
    "unknown revision": {"revision": "v9"},
    "unknown config": {"config": "3.0.0"},
    "unknown split": {"splits": {"all": "dev"}},
    "unknown split, streamed": {"splits": {"all": "dev"}, "streaming": True},
    "unknown column": {"document": "text"},
    "unknown column, streamed": {"document": "text", "streaming": True},
    "column of lists": ONE_SPLIT | {"document": "marks"},
    "damaged": ONE_SPLIT | {"name": "owner/damaged"},
    "damaged, streamed": ONE_SPLIT | {"name": "owner/damaged", "streaming": True},
    "no data": ONE_SPLIT | {"name": "owner/empty"},
}
CHILD = """
import json, sys, time
import datasets, huggingface_hub  # slow to import, which is not what is timed below
from dataclasses import asdict
from seq2sum.data_config import HubSource
from seq2sum.data.sources.hub import HubPairs
from seq2sum.errors import UserError
answers = {}
for case, source in json.load(sys.stdin).items():
    start = time.monotonic()
    opened = HubPairs(HubSource(**source))
    try:
        answer = {"pairs": [asdict(pair) for split in opened.splits for pair in opened.pairs(split)]}
    except UserError as error:
        answer = {"error": str(error)}
    answers[case] = answer | {"card": asdict(opened.card), "seconds": time.monotonic() - start}
print(json.dumps(answers))
"""


def rows_of(split: str) -> dict[str, list[Any]]:
    return {
        "article": [f"{split} {number}" for number in range(300)],
        "highlights": [None, *(f"point {number}" for number in range(1, 300))],
        "marks": [["x"]] * 300,
    }


@contextmanager
def serve_hub(root: Path) -> Iterator[str]:
    """Serves ``root/<owner>/<name>`` as data sets with one commit; yields the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            is_api = parts[0] == "api"
            dataset = root / "/".join(parts[2:4] if is_api else parts[1:3])
            kind, rest = (parts[4:5], parts[5:]) if is_api else (parts[3:4], parts[4:])
            if len(parts) < 4 or not dataset.is_dir():
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif rest[:1] not in ([COMMIT], ["main"]):
                self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif kind == ["revision"]:
                licence = {"license": "cc0-1.0"}
                files = [{"rfilename": path.name} for path in dataset.iterdir()]
                answer = {"id": "/".join(parts[2:4]), "sha": COMMIT, "cardData": licence, "tags": [], "siblings": files}
                self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
            elif kind == ["tree"]:
                tree = [
                    {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name}
                    for path in sorted(dataset.iterdir())
                ]
                self.answer(
                    200, json.dumps(tree if not rest[1:] else []).encode(), {"Content-Type": "application/json"}
                )
            elif kind == ["resolve"] and (dataset / rest[-1]).is_file():
                tag = f'"{dataset.name}-{rest[-1]}"'
                self.answer(200, (dataset / rest[-1]).read_bytes(), {"ETag": tag, "X-Repo-Commit": COMMIT})
            else:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(endpoint: str, home: Path, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "*", "no_proxy": "*"}
    asked = json.dumps({case: SOURCE | changes for case, changes in cases.items()})
    child = subprocess.run(
        [sys.executable, "-c", CHILD], input=asked, capture_output=True, text=True, env=environment, check=False
    )
    assert child.returncode == 0, child.stderr
    return dict(json.loads(child.stdout))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("hub")
    for name in ("news", "damaged", "empty"):
        (root / "owner" / name).mkdir(parents=True)
    for split in ("train", "validation", "test"):
        pq.write_table(pa.table(rows_of(split)), root / f"owner/news/{split}-00000-of-00001.parquet")
    whole = (root / "owner/news/validation-00000-of-00001.parquet").read_bytes()
    (root / "owner/damaged/validation-00000-of-00001.parquet").write_bytes(whole[: len(whole) // 2])
    with serve_hub(root) as endpoint:
        return ask(endpoint, tmp_path_factory.mktemp("home"), CASES)


@pytest.mark.parametrize("case", ["cached", "streamed"])
def test_reads_the_three_splits(answers: dict[str, Any], case: str) -> None:
    assert answers[case]["pairs"] == [
        {
            "id": f"{hub_split}:{number + 1}",
            "group": f"{hub_split}:{number + 1}",
            "document": f"{hub_split} {number}",
            "summary": f"point {number}" if number else "",
            "split": split,
        }
        for split, hub_split in (("train", "train"), ("val", "validation"), ("test", "test"))
        for number in range(300)
    ]


def test_one_split_is_left_to_the_pipeline_to_split(answers: dict[str, Any]) -> None:
    pairs = answers["one split"]["pairs"]
    assert len(pairs) == 300
    assert {pair["split"] for pair in pairs} == {None}


@pytest.mark.parametrize("case", ["cached", "streamed"])
def test_the_card_names_the_commit_and_the_licence(answers: dict[str, Any], case: str) -> None:
    card = answers[case]["card"]
    assert (card["origin"], card["release"]) == ("owner/news", COMMIT)
    assert "cc0-1.0" in card["licence"]


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("unknown name", ["owner/olds at main", "404", "Check the name"]),
        ("unknown revision", ["owner/news at v9", "404", "revision"]),
        ("unknown config", ["'3.0.0' not found. Available: ['default']"]),
        ("unknown split", ["split dev", "['train', 'validation', 'test']"]),
        ("unknown split, streamed", ["split dev", "['train', 'validation', 'test']"]),
        ("unknown column", ["no column 'text'. There are: 'article', 'highlights', 'marks'"]),
        ("unknown column, streamed", ["no column 'text'. There are: 'article', 'highlights', 'marks'"]),
        ("column of lists", ["split validation, row 1: 'marks' is a list, not text"]),
        ("damaged", ["owner/damaged, split validation"]),
        ("damaged, streamed", ["owner/damaged, split validation"]),
        ("no data", ["owner/empty"]),
    ],
)
def test_what_is_not_there_or_damaged_is_named(answers: dict[str, Any], case: str, parts: list[str]) -> None:
    for part in parts:
        assert part in answers[case]["error"]


def test_a_hub_out_of_reach_is_an_error_at_once(tmp_path: Path) -> None:
    answer = ask("http://127.0.0.1:9", tmp_path, {"offline": {}})["offline"]
    assert "owner/news at main" in answer["error"]
    assert "refused" in answer["error"]
    assert "Check" in answer["error"]
    assert answer["seconds"] < 10  # the client's own retries would take 20 and more


@pytest.mark.parametrize(
    "splits", [{"val": "v", "test": "t"}, {"all": "x", "train": "y"}, {"train": "a", "val": "a", "test": "b"}, {}]
)
def test_splits_that_make_no_sense_are_refused(splits: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"`all`|named twice"):
        HubSource.model_validate(SOURCE | {"splits": splits})
