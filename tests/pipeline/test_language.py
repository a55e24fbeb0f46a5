"""Texts in other languages, told by a version whose own documents are the pages that Python has of its language."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from pydoc_data.topics import topics

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.demo.shown import ShownModel
from pipeline.paths import RECORD_PROFILE
from pipeline.profile import FIELDS, profile_columns
from seq2sum.data.overlap import words
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.summarize import Summarizer, save_search
from tests.decoding.tables import search_params
from tests.model.tiny import tiny_params

ROOT = Path(__file__).parents[2]
FOREIGN = {
    "German": "Die Stadt hat am Montag entschieden, die alte Brücke über den Fluss im kommenden Jahr abzureißen und "
    "durch einen Neubau zu ersetzen. Im Herbst werden die Bürger gefragt, wie er aussehen darf.",
    "French": "La ville a décidé lundi de démolir le vieux pont sur la rivière l'année prochaine et de le remplacer "
    "par un nouveau. Les habitants seront consultés à l'automne sur le dessin qu'ils veulent.",
    "Russian": "Город решил в понедельник снести старый мост через реку в будущем году и построить вместо него новый. "
    "Осенью жителей спросят, как он должен выглядеть и сколько он может стоить.",
    "Chinese": "市政府星期一决定明年拆除河上的旧桥，并建造一座新桥。"
    "秋天将征求居民的意见，了解新桥应该是什么样子，以及可以花多少钱。",
}
ENGLISH = (
    "The city decided on Monday to pull down the old bridge across the river next year and to replace it by a new one. "
    "In autumn the citizens will be asked what it should look like and what it may cost."
)


def paragraphs(pages: Iterable[str]) -> list[str]:
    texts = [text for page in pages for text in re.split(r"\n\s*\n", page)]
    return [text for text in texts if len(words(text)) >= 20 and not any(mark in text for mark in ("```", "|", "→"))]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a version, with the profile of its documents beside it."""
    documents = paragraphs(topics.values())
    tokenizer = Tokenizer.train(documents, vocab_size=3000, min_frequency=2)
    folder = tmp_path_factory.mktemp("version") / "summarizer"
    save_model(folder, SummarizerModel(tiny_params(), tokenizer.vocab_size), tokenizer, max_source_tokens=500)
    save_search(folder, search_params(beam_size=2, max_tokens=4))
    profile = folder.parent / RECORD_PROFILE
    profile.parent.mkdir()
    # Of some documents alone, as in a large record.
    sampled = [row for row in range(len(documents)) if row % 5]
    columns = profile_columns(documents, documents, Summarizer.load(folder), sampled)
    pq.write_table(pa.table(columns, schema=pa.schema(FIELDS)), profile)
    return folder


def summarize(model: Path, texts: list[str], *flags: str) -> Result:
    stdin = "\n".join(text.replace("\n", " ") for text in texts)
    return CliRunner().invoke(app, ["summarize", "--lines", "--model", str(model), *flags, "-"], input=stdin.encode())


@pytest.mark.parametrize("language", FOREIGN)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_text_in_another_language_is_summarized_and_told(version: Path, language: str, flags: list[str]) -> None:
    done = summarize(version, [FOREIGN[language]], *flags)
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1), done.output
    assert done.stderr.startswith("-:1: looks like a language or script that the model did not learn (")


def test_it_is_told_once_for_all_of_them(version: Path) -> None:
    (line,) = summarize(version, [ENGLISH, *FOREIGN.values()]).stderr.splitlines()
    assert line.startswith(f"-:2, and {len(FOREIGN) - 1} more: looks like a language")


def test_other_texts_of_its_language_short_ones_and_models_without_a_record_are_not(
    version: Path, tmp_path: Path
) -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    others = paragraphs(page.read_text(encoding="utf-8") for page in pages)
    assert len(others) > 40
    assert "language" not in summarize(version, [ENGLISH, *others]).stderr
    assert summarize(version, [FOREIGN["German"].split(",")[0]]).stderr == ""
    shutil.copytree(version, tmp_path / "summarizer")
    assert summarize(tmp_path / "summarizer", [FOREIGN["Russian"]]).stderr == ""


def test_the_page_knows_it_too(version: Path, tmp_path: Path) -> None:
    shown = ShownModel.load("champion", version, "cpu")
    assert [shown.is_foreign(text) for text in (ENGLISH, *FOREIGN.values())] == [False, *[True] * len(FOREIGN)]
    shutil.copytree(version, tmp_path / "summarizer")
    assert not ShownModel.load("champion", tmp_path / "summarizer", "cpu").is_foreign(FOREIGN["Russian"])
