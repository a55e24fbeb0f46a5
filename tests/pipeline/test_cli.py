import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app, models_table
from pipeline.tracking.registry import Version
from seq2sum.model.folder import load_model, save_model
from seq2sum.summarize import Summarizer, save_search
from tests.pipeline.tracking.project import TEXTS, environment


@pytest.fixture
def expected(model: Path) -> list[str]:
    """The summaries of TEXTS by the model's own settings."""
    summarizer = Summarizer.load(model)
    assert summarizer.search is not None
    return [summary.text for summary in summarizer.summarize(TEXTS, summarizer.search)]


def summarize(model: Path, *arguments: str | Path, stdin: bytes = b"") -> Result:
    command = ["summarize", "--model", str(model), *map(str, arguments)]
    return CliRunner().invoke(app, command, input=stdin)


def test_a_file_is_a_document_and_gives_a_line(model: Path, expected: list[str], tmp_path: Path) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file, text in zip(files, TEXTS, strict=True):
        file.write_text(text + "\n")
    done = summarize(model, *files)
    assert (done.exit_code, done.stdout.splitlines()) == (0, expected)


@pytest.mark.parametrize("names", [[], ["-"]])
def test_standard_input_is_one_document(model: Path, expected: list[str], names: list[str]) -> None:
    done = summarize(model, *names, stdin=f"\ufeff{TEXTS[0]}\n".encode())
    assert (done.exit_code, done.stdout.splitlines()) == (0, expected[:1])
    done = summarize(model, *names, stdin="\n".join(TEXTS).encode())
    assert len(done.stdout.splitlines()) == 1


def test_with_lines_each_line_is_a_document(model: Path, expected: list[str], tmp_path: Path) -> None:
    done = summarize(model, "--lines", stdin=("\r\n".join(TEXTS) + "\n").encode())
    assert (done.exit_code, done.stdout.splitlines()) == (0, expected)
    # Only a line feed ends a line: what Unicode calls a line separator stands within one.
    done = summarize(model, "--lines", "--json", stdin=f"{TEXTS[0]}\u2028\x0b\x0c{TEXTS[1]}\n{TEXTS[1]}".encode())
    assert [json.loads(line)["source"] for line in done.stdout.split("\n")[:-1]] == ["-:1", "-:2"]


def test_jsonl_gives_its_documents_and_json_tells_where_each_came_from(
    model: Path, expected: list[str], tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"document": text, "summary": "unused"}) + "\n\n" for text in TEXTS))
    done = summarize(model, "--json", pairs)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["source"] for line in lines] == [f"{pairs}:1", f"{pairs}:3"]
    assert [line["summary"].split() for line in lines] == [text.split() for text in expected]
    assert all(line["score"] < 0 and line["truncated"] is False for line in lines)


def test_a_column_of_any_table_gives_a_summary_for_each_row(model: Path, expected: list[str], tmp_path: Path) -> None:
    rows = [{"title": "unused", "body": text} for text in TEXTS]
    for name, delimiter in (("more.csv", ","), ("more.tsv", "\t")):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["title", "body"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "more.csv.gz").write_bytes(gzip.compress((tmp_path / "more.csv").read_bytes()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "more.parquet")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    done = summarize(model, "--documents", "body", *files)
    assert (done.exit_code, done.stdout.splitlines()) == (0, expected * 5), done.stderr
    done = summarize(model, "--documents", "body", "--json", "--best", "2", tmp_path / "more.csv")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["source"] for line in lines] == [f"{tmp_path}/more.csv:2", f"{tmp_path}/more.csv:3"]
    assert [line["best"][0]["summary"] for line in lines] == [line["summary"] for line in lines]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["more.csv"], "more.csv: no column 'body'. There are: 'text'"),
        (["gone.csv"], "gone.csv: no such file"),
        (["blank.csv"], "blank.csv:3: 'body' is empty. Fill"),
        (["blanks.csv"], "blanks.csv:2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 5 more (15 in all): 'body' is empty"),
        (["number.jsonl"], "number.jsonl:1: 'body' is a number, not text"),
        (["notes.txt"], "notes.txt: unknown suffix"),
        ([], "standard input has no columns"),
        (["--lines", "blank.csv"], "--lines and --documents"),
    ],
)
def test_a_table_that_does_not_fit_is_named_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    (tmp_path / "more.csv").write_text("text,title\na,b\n")
    (tmp_path / "blank.csv").write_text("body,title\na,b\n ,c\n")
    (tmp_path / "blanks.csv").write_text("body,title\n" + " ,c\n" * 15 + "a,b\n")
    (tmp_path / "number.jsonl").write_text('{"body": 3}\n')
    (tmp_path / "notes.txt").write_text("A note.\n")
    monkeypatch.chdir(tmp_path)
    done = summarize(tmp_path / "no model", "--documents", "body", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_document_that_is_cut_says_so(model: Path) -> None:
    done = summarize(model, "--json", stdin=(" ".join(TEXTS) * 9).encode())
    assert json.loads(done.stdout)["truncated"] is True


@pytest.mark.parametrize(
    ("flags", "search"),
    [
        (["--beam", "1"], {"beam_size": 1}),
        (["--max-tokens", "3", "--min-tokens", "3"], {"max_tokens": 3, "min_tokens": 3}),
        (["--max-tokens", "7"], {"max_tokens": 7}),
        (["--beam", "2", "--min-tokens", "0", "--max-tokens", "2"], {"beam_size": 2, "min_tokens": 0, "max_tokens": 2}),
        (["--length-penalty", "2"], {"length_penalty": 2.0}),
        (["--coverage-penalty", "0.5"], {"coverage_penalty": 0.5}),
        (["--block-ngrams", "1"], {"block_ngrams": 1}),
        (["--risk-samples", "3"], {"risk_samples": 3}),
    ],
)
def test_flags_override_the_models_own_search(model: Path, flags: list[str], search: dict[str, float]) -> None:
    summarizer = Summarizer.load(model)
    assert summarizer.search is not None
    own = summarizer.search
    (wanted,) = summarizer.summarize(TEXTS[:1], own.model_copy(update=search))
    (line,) = summarize(model, "--json", *flags, stdin=TEXTS[0].encode()).stdout.splitlines()
    assert json.loads(line) == {"source": "-", "summary": wanted.text, "score": wanted.score, "truncated": False}
    assert summarizer.summarize(TEXTS[:1], own) != [wanted]


def test_limits_of_what_a_summary_holds_are_kept(model: Path, tmp_path: Path) -> None:
    """By a model that would write words with numbers all day."""
    network, tokenizer, _ = load_model(model)
    pieces = tokenizer.piece_bytes()
    liked = [pieces.index(piece) for piece in (b" ", b"7", b"b")]
    network.output_bias.data[liked] += 20.0
    save_model(tmp_path, network, tokenizer, max_source_tokens=50)
    own = Summarizer.load(model).search
    assert own is not None
    save_search(tmp_path, own)
    written = {
        flag: summarize(tmp_path, "--block-ngrams", "2", *flag.split(), stdin=TEXTS[0].encode()).stdout
        for flag in ("--beam 3", "--max-words 1", "--source-support", "--no-source-support")
    }
    assert "7" in written["--beam 3"]
    assert len(written["--beam 3"].split()) > 1
    assert len(written["--max-words 1"].split()) == 1
    assert "7" not in written["--source-support"]
    assert written["--no-source-support"] == written["--beam 3"]


def test_the_best_are_lines_under_each_other_or_a_list_in_json(model: Path) -> None:
    summarizer = Summarizer.load(model)
    assert summarizer.search is not None
    best = summarizer.summarize_best(TEXTS, summarizer.search, 3)
    assert sorted(len(found) for found in best) == [2, 3]  # one is no text of its own
    stdin = "\n".join(TEXTS).encode()
    done = summarize(model, "--lines", "--best", "3", stdin=stdin)
    assert done.stdout == "".join("\n".join(one.text for one in found) + "\n\n" for found in best)
    done = summarize(model, "--lines", "--json", "--best", "3", stdin=stdin)
    for line, found in zip(map(json.loads, done.stdout.splitlines()), best, strict=True):
        assert line["summary"] == found[0].text
        assert line["best"] == [{"summary": summary.text, "score": summary.score} for summary in found]
    done = summarize(model, "--best", "4", stdin=stdin)
    assert (done.exit_code, "Give --beam 4" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.txt", None, "gone.txt: No such file"),
        ("empty.txt", b" \n", "empty.txt: empty"),
        ("latin.txt", b"one\ntwo caf\xe9\n", r"latin.txt:2: byte 11 is not UTF-8"),
        (
            "rows.csv",
            b"document\nA text.\n",
            "a table, not a text. Name the column of its documents with --documents.",
        ),
        ("rows.tsv.gz", gzip.compress(b"a\tb\n", mtime=0), "rows.tsv.gz: a table, not a text"),
        ("body.jsonl", b'{"body": "a"}\n', "If its text stands in another, name that with --documents."),
        ("image.txt", b"\x89PNG\0", "image.txt: holds null bytes"),
        ("notepad.txt", "A text.".encode("utf-16"), "notepad.txt: UTF-16, by its first bytes"),
        ("bad.jsonl", b'{"document": "a"}\n{"docu\n', "bad.jsonl:2: expected a JSON object"),
        ("list.jsonl", b"[]\n", "list.jsonl:1: expected a JSON object"),
        ("other.jsonl", b'{"text": "a"}\n', 'other.jsonl:1: expected a JSON object with a field "document"'),
        ("number.jsonl", b'{"document": 3}\n', 'number.jsonl:1: the field "document" is a number, not text'),
        ("blank.jsonl", b'{"document": " "}\n', "blank.jsonl:1: empty. Remove"),
        ("blanks.jsonl", b'{"document": ""}\n\n' * 3, "blanks.jsonl:1, 3, 5 (3 in all): empty. Remove"),
    ],
)
def test_bad_input_is_named_before_anything_is_loaded(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = summarize(tmp_path / "no model", tmp_path / name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_blank_line_among_lines_is_named(model: Path) -> None:
    done = summarize(model, "--lines", stdin=b"one\n\nthree\n")
    assert (done.exit_code, "-:2: empty" in done.stderr) == (2, True)


def test_a_folder_without_a_model_or_settings_is_named(model: Path, tmp_path: Path) -> None:
    done = summarize(tmp_path, stdin=b"text")
    assert (done.exit_code, str(tmp_path) in done.stderr) == (2, True)
    for file in model.iterdir():
        if file.name != "search.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = summarize(tmp_path, stdin=b"text")
    assert (done.exit_code, "search.json" in done.stderr) == (2, True)


@pytest.mark.parametrize("flag", ["--beam=0", "--max-tokens=0", "--max-words=-1", "--length-penalty=-1", "--best=0"])
def test_settings_out_of_range_are_refused(model: Path, flag: str) -> None:
    done = summarize(model, flag, stdin=b"text")
    assert (done.exit_code, flag.partition("=")[0] in done.stderr) == (2, True)


def test_flags_that_contradict_each_other_or_the_model_are_refused(model: Path) -> None:
    for flags in (["--min-tokens", "5", "--max-tokens", "4"], ["--min-tokens", "500"]):
        done = summarize(model, *flags, stdin=b"text")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "min_tokens" in done.stderr


def test_without_a_registry_the_user_is_told_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXTS[0])
    command = [sys.executable, "-c", "from pipeline.cli import app; app()", "summarize", "a.txt"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(""), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_takes_seconds_to_import_is_not_imported_for_a_model_folder(model: Path) -> None:
    slow = {"datasets", "mlflow", "pandas", "pyarrow", "scipy", "torch._dynamo"}
    code = f"import sys; from pipeline.cli import app; app(standalone_mode=False); print({slow} & sys.modules.keys())"
    command = [sys.executable, "-c", code, "summarize", "--model", str(model), "-"]
    done = subprocess.run(command, input=TEXTS[0], env=environment(""), capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_registry_is_listed_newest_first_as_given() -> None:
    versions = [
        Version(
            "seq2sum", "10", ("challenger",), {"rouge1": "41.50", "git_sha": "0123456789abcdef"}, 1_700_000_000_000, "r"
        ),
        Version("seq2sum", "9", (), {}, 1_600_000_000_000, "r"),
        Version("seq2sum", "8", (), {"git_sha": "f" * 40, "git_dirty": "true"}, 1_500_000_000_000, "r"),
        Version("seq2sum", "7", (), {"git_sha": "e" * 40, "params_changed": "true"}, 1_400_000_000_000, "r"),
    ]
    heading, newest, older, changed, overridden = models_table(versions).splitlines()
    assert heading.split()[:4] == ["name", "version", "alias", "R-1"]
    assert newest.split()[:4] == ["seq2sum", "10", "challenger", "41.50"]
    assert newest.endswith("0123456789")
    assert older.split()[:4] == ["seq2sum", "9", "-", "-"]
    assert changed.endswith("  ffffffffff + uncommitted changes")
    assert overridden.endswith("  eeeeeeeeee + changed params")
