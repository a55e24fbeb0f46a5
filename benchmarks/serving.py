"""Many clients at once ask a served version: how many answers a second, how late, how many errors.

``python -m benchmarks.serving http://127.0.0.1:5001`` while ``seq2sum serve`` runs. The clients send the documents of
the test split, one a request. Exit status 1 if any answer was none. ``--keep`` adds a row to benchmarks/serving.json;
a row of the same name gives way.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import lineage, paths
from seq2sum.data.pairs import read_pairs
from seq2sum.files import write_json

ROWS = Path("benchmarks/serving.json")
# Requests before the clock starts.
WARM_UP = 4


class Answer(NamedTuple):
    """How long a client waited, and what was wrong, if anything was."""

    seconds: float
    error: str


def ask(address: str, document: str, params: dict[str, Any]) -> Answer:
    """One document to its summary."""
    body = json.dumps({"dataframe_records": [{"document": document}], "params": params}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    began, error = time.perf_counter(), ""
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            rows = json.load(answer)["predictions"]
        if len(rows) != 1 or not isinstance(rows[0]["summary"], str):
            error = "an answer without a summary"
    except (OSError, ValueError, KeyError) as failure:
        error = repr(failure)
    return Answer(time.perf_counter() - began, error)


def load(address: str, documents: list[str], clients: int, requests: int, params: dict[str, Any]) -> dict[str, Any]:
    """``requests`` documents in turn, asked by ``clients`` at a time."""
    asked = list(itertools.islice(itertools.cycle(documents), WARM_UP + requests))
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda document: ask(address, document, params), asked[:WARM_UP]))
        began = time.perf_counter()
        answers = list(pool.map(lambda document: ask(address, document, params), asked[WARM_UP:]))
        wall = time.perf_counter() - began
    marks = statistics.quantiles((answer.seconds for answer in answers), n=100, method="inclusive")
    errors = [answer.error for answer in answers if answer.error]
    for error in sorted(set(errors)):
        print(f"{errors.count(error)} × {error}", file=sys.stderr)
    return {
        "clients": clients,
        "requests": requests,
        "params": params,
        "per_second": round(requests / wall, 1),
        "p50_ms": round(1000 * marks[49]),
        "p95_ms": round(1000 * marks[94]),
        "p99_ms": round(1000 * marks[98]),
        "errors": len(errors),
    }


def keep(row: dict[str, Any]) -> None:
    """Adds the row, with the machine that it was measured on."""
    machine = lineage.machine_tags()
    row |= {"machine": {key: machine[key] for key in ("cpu", "cpu_cores", "gpu")}, "command": " ".join(sys.argv[1:])}
    rows = json.loads(ROWS.read_bytes()) if ROWS.exists() else []
    others = [old for old in rows if old["name"] != row["name"]]
    write_json(ROWS, sorted([*others, row], key=lambda one: str(one["name"])))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--params", type=json.loads, default={}, help="what the requests ask for, as JSON")
    parser.add_argument("--keep", metavar="NAME", help="the row's name, such as the model and its threads")
    given = parser.parse_args()
    documents = [pair.document for pair in read_pairs(paths.TEST_PAIRS)]
    row = load(given.address.rstrip("/"), documents, given.clients, given.requests, given.params)
    print(
        f"{row['clients']} clients, {row['requests']} requests: {row['per_second']} a second, p50 {row['p50_ms']} ms, "
        f"p95 {row['p95_ms']} ms, p99 {row['p99_ms']} ms, errors {row['errors']}"
    )
    if given.keep:
        keep({"name": given.keep, **row})
    return 1 if row["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
