import ctypes
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.explain_view import word_origins
from seq2sum.data.pairs import Pair, write_pairs
from seq2sum.evaluation.rouge import score_pairs
from seq2sum.explain import Explanation, Origin, Word
from seq2sum.params_file import load_params
from seq2sum.summarize import Summarizer
from tests.pipeline.tracking.project import TEXTS, environment

ROOT = Path(__file__).parents[2]
REFERENCES = ["The ferry leaves at noon.", "A baker counts loaves"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and documents with summaries, and no registry."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    rows = [{"text": text, "title": title} for text, title in zip(TEXTS, REFERENCES, strict=True)] * 6
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2SUM_WORKERS", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_model_is_scored_on_any_file_as_the_library_scores_it(model: Path, project: Path) -> None:
    done = call("evaluate", "--json", "--model", model, "pairs.jsonl")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert "documents from 'text', summaries from 'title'" in done.stderr
    summarizer = Summarizer.load(model)
    assert summarizer.search is not None
    hypotheses = [one.text for one in summarizer.summarize(TEXTS * 6, summarizer.search)]
    expected = score_pairs(hypotheses, REFERENCES * 6, load_params(Path("params.yaml")).evaluate.rouge, 1)
    assert report["signature"] == expected.signature
    for kind, mean in expected.means().items():
        found, low, high = report["systems"]["model"][kind]
        assert found == pytest.approx(mean, abs=1e-3)
        assert low <= found <= high
    table = call("evaluate", "--model", model, "--documents", "text", "--summaries", "title", "pairs.jsonl")
    assert f"{report['systems']['model']['rouge1'][0]:.2f} [" in table.stdout
    assert f"12 test pairs · {expected.signature}" in table.stdout


def test_documents_of_the_training_split_are_told_and_others_are_not(model: Path, project: Path) -> None:
    evaluate = ("evaluate", "--json", "--model", model, "pairs.jsonl")
    done = call(*evaluate)
    assert (json.loads(done.stdout)["in_training_split"], "training" in done.stderr) == (None, False)
    split = project / "data/split/train.parquet"
    write_pairs(split, [Pair("a", "a", "Another text.", "x")])
    done = call(*evaluate)
    assert (json.loads(done.stdout)["in_training_split"], "training" in done.stderr) == (0, False)
    write_pairs(split, [Pair("a", "a", "Another text.", "x"), Pair("b", "b", TEXTS[1].replace(" ", "\n", 1), "y")])
    compare = ("compare", "--json", model, model, "pairs.jsonl")
    for command in (evaluate, compare):
        done = call(*command)
        assert json.loads(done.stdout)["in_training_split"] == 6
        assert "6 of 12 documents are in this project's training split (data/split/train.parquet)" in done.stderr


@pytest.mark.parametrize("second", ["models/none", "9", "gone.parquet", "bare"])
def test_a_second_model_that_is_not_there_is_told_before_the_first_writes(
    model: Path, project: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    shutil.copytree(model, project / "bare", ignore=shutil.ignore_patterns("search.json"))

    def summarize(*_: object, **__: object) -> None:
        pytest.fail("the first model summarized")

    monkeypatch.setattr(Summarizer, "summarize", summarize)
    done = call("compare", model, second, "pairs.jsonl")
    assert (done.exit_code, done.stdout) == (2, ""), done.output


def test_two_models_are_compared_and_a_model_with_itself_does_not_differ(model: Path, project: Path) -> None:
    done = call("evaluate", "--model", model, "--output", "mine.parquet", "pairs.jsonl")
    assert done.exit_code == 0, done.output
    done = call("compare", "--json", model, "mine.parquet", "pairs.jsonl")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {(gain["delta"], gain["p"]) for gain in found["rouge"].values()} == {(0.0, 1.0)}
    assert found["num_pairs"] == 12
    assert "no difference" in call("compare", model, "mine.parquet", "pairs.jsonl").stdout


def test_the_same_model_under_two_names_is_told_without_a_summary(
    model: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model, project / "copy")
    with monkeypatch.context() as patched:
        patched.setattr(Summarizer, "summarize", lambda *_, **__: pytest.fail("a model summarized"))
        done = call("compare", "--json", model, "copy", "pairs.jsonl")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["same_model"], found["challenger"], found["champion"]) == (True, str(model), "copy")
        assert "copy are the same model" in call("compare", model, "copy", "pairs.jsonl").stdout
    search = project / "copy/search.json"
    search.write_text(json.dumps(json.loads(search.read_text()) | {"beam_size": 1}))
    found = json.loads(call("compare", "--json", model, "copy", "pairs.jsonl").stdout)
    assert (found["same_model"], found["num_pairs"]) == (False, 12)


def test_scores_under_another_signature_or_of_other_pairs_are_not_compared(model: Path, project: Path) -> None:
    assert call("evaluate", "--model", model, "--output", "mine.parquet", "pairs.jsonl").exit_code == 0
    params = project / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("stemmer: true", "stemmer: false"))
    done = call("compare", model, "mine.parquet", "pairs.jsonl")
    assert (done.exit_code, "stemmer:none" in done.stderr, "stemmer:porter" in done.stderr) == (2, True, True)
    params.write_text(before)
    (project / "pairs.jsonl").write_text(json.dumps({"text": TEXTS[0], "title": "x"}) + "\n")
    done = call("compare", model, "mine.parquet", "pairs.jsonl")
    assert (done.exit_code, "2 pairs or more" in done.stderr) == (2, True)
    (project / "pairs.jsonl").write_text((json.dumps({"text": TEXTS[0], "title": "x"}) + "\n") * 12)
    done = call("compare", model, "mine.parquet", "pairs.jsonl")
    assert (done.exit_code, "other pairs" in done.stderr) == (2, True)


def test_a_model_tells_its_sizes_and_settings(model: Path) -> None:
    summarizer = Summarizer.load(model)
    found = json.loads(call("info", "--json", model).stdout)
    assert found["num_parameters"] == sum(parameter.numel() for parameter in summarizer.model.parameters())
    assert found["vocab_size"] == summarizer.tokenizer.vocab_size
    assert found["max_source_tokens"] == 50
    assert found["search"]["beam_size"] == 3
    text = call("info", model).stdout
    assert f"{found['num_parameters']:,}" in text
    assert "beam_size 3" in text


def test_an_explanation_is_of_the_summary_that_the_model_writes(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXTS[0])
    (summary,) = call("summarize", "--model", model, tmp_path / "a.txt").stdout.splitlines()
    found = json.loads(call("explain", "--json", "--model", model, tmp_path / "a.txt").stdout)
    assert found["summary"].split() == summary.split()
    for word in found["words"]:
        assert 0 <= word["copied"] <= 1
        for place in word["sources"] + word["looked_at"]:
            assert TEXTS[0][place["start"] : place["end"]] == place["text"]
    told = call("explain", "--model", model, "--summary", "ferry leaves", tmp_path / "a.txt").stdout
    assert told.startswith(("ferry", "[ferry]"))
    assert "\x1b" not in told


def test_each_row_of_a_table_is_explained_and_a_document_that_was_cut_told(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"id,body\n1,{TEXTS[0]}\n2,{TEXTS[0] * 20}\n")
    arguments = ["explain", "--model", model, "--documents", "body", "--summary", "ferry", tmp_path / "a.csv"]
    done = call(*arguments)
    assert done.exit_code == 0
    assert done.stderr == f"{tmp_path / 'a.csv'}:3: longer than the model reads; its end was left out\n"
    done = call(*arguments, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["source"].rpartition(":")[2], row["truncated"]) for row in rows] == [("2", False), ("3", True)]
    assert done.stderr == ""


def test_places_are_the_words_of_the_positions() -> None:
    """By hand: the summary « new hall » of « A new hall », whose second word is two pieces, copied from two."""
    explanation = Explanation(
        source_pieces=(" A", " new", " ha", "ll"),
        source_spans=((0, 1), (2, 5), (6, 8), (8, 10)),
        origins=(
            Origin(" new", 0.5, 0.2, ((1, 1.0),), (0.75, 0.25, 0.0, 0.0)),
            Origin(" ha", 0.5, 1.0, ((2, 1.0),), (0.0, 0.0, 1.0, 0.0)),
            Origin("ll", 0.8, 0.6, ((3, 1.0),), (0.0, 0.5, 0.0, 0.5)),
            Origin("⟨eos⟩", 0.9, 0.0, (), (1.0, 0.0, 0.0, 0.0)),
        ),
        words=(Word("new", 0, 1, 0.5, 0.2, ((1, 0.2),)), Word("hall", 1, 3, 0.4, 0.8, ((2, 0.5), (3, 0.3)))),
        log_prob=-1.0,
        truncated=False,
    )
    new, hall = word_origins("A new hall", explanation)
    assert (new.text, new.is_copied, new.looked_at[0].text) == ("new", False, "A")
    assert (hall.text, hall.is_copied, hall.probability, hall.copied) == ("hall", True, 0.4, 0.8)
    assert [(place.text, place.start, place.end, place.share) for place in hall.sources] == [("hall", 6, 10, 1.0)]
    assert [(place.text, place.share) for place in hall.looked_at] == [("hall", 0.75), ("new", 0.25)]


def test_colours_are_for_terminals_alone_and_not_against_ones_will(model: Path, tmp_path: Path) -> None:
    """In a pseudo-terminal, as a person would see it."""
    (tmp_path / "a.txt").write_text(TEXTS[0])
    arguments = ["explain", "--model", str(model), "--summary", "ferry", str(tmp_path / "a.txt")]
    command = [sys.executable, "-c", "from pipeline.cli import app; app()", *arguments]
    shown = {}
    for no_colour in ("", "1"):
        ours, theirs = pty.openpty()
        own = environment("") | {"NO_COLOR": no_colour, "TERM": "xterm"}
        subprocess.run(command, stdout=theirs, stderr=subprocess.DEVNULL, env=own, check=True)
        shown[no_colour] = os.read(ours, 100_000).decode()
        os.close(theirs)
        os.close(ours)
    assert "\x1b[3" in shown[""]
    assert "\x1b" not in shown["1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "gone.jsonl"], "gone.jsonl: no such file"),
        (["evaluate", "--documents", "body", "--summaries", "title", "pairs.jsonl"], "no column 'body'"),
        (["evaluate", "other.csv"], "can't tell which columns"),
        (["evaluate", "untitled.csv"], "no row has both document and summary; untitled.csv:2: 'title' is empty"),
        (["evaluate", "number.jsonl"], "number.jsonl:1: 'text' is a number, not text"),
        (["evaluate", "pairs.jsonl"], "No model is registered here"),
        (["explain", "pairs.jsonl"], 'expected a JSON object with a field "document"'),
        (["explain", "other.csv"], "a table, not a text. Name the column of its documents with --documents."),
        (["explain", "--documents", "body", "other.csv"], "other.csv: no column 'body'"),
        (["info"], "No model is registered here"),
        (["info", "models/none"], "models/none/model.json: not found"),
        (["info", "./models/summarizer"], "`make run` makes it; while one is under way it is missing"),
        (["summarize", "--model", "models/summarizer", "blank.csv", "--lines"], "models/summarizer: holds no model."),
        (["models"], "No model is registered here"),
    ],
)
def test_what_is_wrong_is_named_with_status_2(project: Path, arguments: list[str], message: str) -> None:
    (project / "other.csv").write_text("a,b,c\n1,2,3\n")
    (project / "blank.csv").write_text("text,title\nsome text,a title\n,another\n")
    (project / "untitled.csv").write_text("text,title\nsome text,\n")
    (project / "number.jsonl").write_text('{"text": 3, "title": "a title"}\n')
    done = call(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (project / "mlflow.db").exists()


def without_root_rights() -> None:
    """In the process that is about to start: root, too, may write only where the folder's mode lets it."""
    drop_from_bounding_set, dac_override = 24, 1  # prctl(2), capabilities(7)
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["init", "--force", "pairs.jsonl"], "params.yaml"),
        (["evaluate", "--output", "mine.parquet", "pairs.jsonl"], "mine.parquet"),
        (["evaluate", "--output", "below/mine.parquet", "pairs.jsonl"], "below/mine.parquet"),
        (["export", "--to", "exported"], "exported"),
    ],
)
def test_a_folder_without_the_right_to_write_is_told_before_the_work(
    project: Path, arguments: list[str], path: str
) -> None:
    """There is no model here either, which would be told next."""
    before = sorted(project.iterdir())
    command = [sys.executable, "-c", "from pipeline.cli import app; app()", *arguments]
    project.chmod(0o555)
    try:
        done = subprocess.run(
            command, env=environment(""), preexec_fn=without_root_rights, capture_output=True, text=True, check=False
        )
    finally:
        project.chmod(0o755)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"seq2sum: {path}: can't be written: .: Permission denied. Name another place, or get the right to write "
        "there.\n"
    )
    assert sorted(project.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--output", "pairs.jsonl/mine.parquet", "pairs.jsonl"], "pairs.jsonl: Not a directory"),
        (["evaluate", "--output", ".", "pairs.jsonl"], ".: is a folder, not a file"),
        (
            ["evaluate", "--output", "pairs.jsonl", "pairs.jsonl"],
            "pairs.jsonl: --output writes a .parquet file",
        ),
        (["export", "--to", "pairs.jsonl"], "pairs.jsonl: is a file, not a folder"),
    ],
)
def test_a_place_of_the_wrong_kind_is_told_before_the_work(project: Path, arguments: list[str], message: str) -> None:
    before = (project / "pairs.jsonl").read_bytes()
    done = call(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert (project / "pairs.jsonl").read_bytes() == before


def commands(group=None, above=()):
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name), command


def test_every_command_offers_json_and_an_example_in_its_help() -> None:
    for path, command in commands():
        names = {name for parameter in command.params for name in parameter.opts}
        if path != ("serve",):  # it answers in JSON
            assert "--json" in names, path
        if path != ("history",):
            assert "seq2sum " + " ".join(path) in command.help or path == ("serve",), path


def test_the_shell_completes_commands() -> None:
    own = environment("") | {"_SEQ2SUM_COMPLETE": "complete_bash", "COMP_WORDS": "seq2sum ev", "COMP_CWORD": "1"}
    command = [Path(sys.executable).with_name("seq2sum")]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["evaluate"]
