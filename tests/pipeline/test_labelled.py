"""Files of documents with summaries, as people have them: with gaps, and in columns of their own."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app
from tests.pipeline.tracking.project import TEXTS

REFERENCES = ["The ferry leaves at noon.", "A baker counts loaves"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and documents with summaries."""
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    rows = [{"text": text, "title": title} for text, title in zip(TEXTS, REFERENCES, strict=True)] * 6
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2SUM_WORKERS", "1")
    return tmp_path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_rows_without_document_or_summary_are_left_out_and_told(model: Path, project: Path) -> None:
    whole = json.loads(call("evaluate", "--json", "--model", model, "pairs.jsonl").stdout)
    assert whole["num_textless"] == 0
    with (project / "pairs.jsonl").open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in ({"text": "A text."}, {"text": " ", "title": "A title"}))
    evaluate = ("evaluate", "--json", "--model", model, "--output", "mine.parquet", "pairs.jsonl")
    for command in (evaluate, ("compare", "--json", model, "mine.parquet", "pairs.jsonl")):
        done = call(*command)
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["num_pairs"], found["num_textless"]) == (12, 2)
        told = "so left out: 2 of 14 rows (the first: pairs.jsonl:13: 'title' is empty)\n"
        assert told in done.stderr
    assert json.loads(call(*evaluate).stdout)["systems"] == whole["systems"]


def test_columns_that_init_was_told_need_not_be_told_again(model: Path, project: Path) -> None:
    rows = [
        {"Ticket": "7", "Body Text": text, "Short Title": title} for text, title in zip(TEXTS, REFERENCES, strict=True)
    ]
    (project / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), "own.parquet")
    evaluate, compare = ("evaluate", "--json", "--model", model), ("compare", "--json", model, "mine.parquet")
    assert "can't tell which columns" in call(*evaluate, "own.parquet").stderr
    assert call("init", "--force", "--documents", "Body Text", "--summaries", "Short Title", "own.jsonl").exit_code == 0
    told = "own.parquet: documents from 'Body Text', summaries from 'Short Title' (as in params.yaml)\n"
    for command in ((*evaluate, "--output", "mine.parquet"), compare):
        done = call(*command, "own.parquet")
        assert (done.exit_code, told in done.stderr) == (0, True), done.output
    summaries = call("summarize", "--model", model, "--documents", "Body Text", "own.jsonl").stdout
    for name in ("own.jsonl", "own.parquet"):
        done = call("summarize", "--model", model, name)
        assert (done.exit_code, done.stdout) == (0, summaries), done.output
        assert f"{name}: documents from 'Body Text' (as in params.yaml)\n" in done.stderr
    # What is given counts, and files without those columns are read as ever.
    assert "no column 'Body'" in call(*evaluate, "--documents", "Body", "--summaries", "Ticket", "own.jsonl").stderr
    assert "from 'text', summaries from 'title' (by their names)" in call(*evaluate, "pairs.jsonl").stderr
    (project / "document.jsonl").write_text(json.dumps({"Body Text": TEXTS[0], "document": TEXTS[1]}) + "\n")
    done = call("summarize", "--model", model, "document.jsonl")
    assert (done.stdout, "documents from" in done.stderr) == (summaries.splitlines(keepends=True)[1], False)
