"""The command line `seq2sum`: summaries of text, and what the model registry holds."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from pydantic import ValidationError

from pipeline.cli_errors import user_errors
from pipeline.registry_cli import app as registry_app
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.params_file import describe_problem

if TYPE_CHECKING:
    from pipeline.tracking.registry import Version
    from seq2sum.summarize import Summary

# What a flag that is left out stands for.
OWN = "the model's"

app = typer.Typer(
    name="seq2sum",
    help="Summaries of text by the model that the pipeline trained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(registry_app)

SUMMARIZE_HELP = """Summarize documents: one line of output for each, in order.

\b
What is a document:
  FILE.jsonl          the text in the field "document" of each line
  any other FILE, -   the whole text; with --lines, each line of it
  no FILE             standard input

\b
Examples:
  seq2sum summarize report.txt
  cat report.txt | seq2sum summarize
  seq2sum summarize --json --beam 8 pairs.jsonl
  seq2sum summarize --best 3 --max-words 12 --source-support report.txt
  seq2sum summarize --lines --model models/summarizer sentences.txt

The model is the registry's champion (MLFLOW_TRACKING_URI says where, MLFLOW_MODEL_NAME which), or --model.
SEQ2SUM_DEVICE and SEQ2SUM_THREADS say what it runs on. Exit status: 0 done, 2 bad input or no model.
"""


class Document(NamedTuple):
    """A text to summarize and where it stands: file, or file:line."""

    source: str
    text: str


@app.command(help=SUMMARIZE_HELP)
def summarize(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|-", help="What to read.", show_default=False)
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model folder instead of the champion.", show_default=False)
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of a text is a document.")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line each: source, summary, score, truncated; with --best, best.")
    ] = False,
    best: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The N best summaries, one line each, instead of one.")
    ] = None,
    beam: Annotated[int | None, typer.Option(min=1, help="Beam size; 1 is greedy.", show_default=OWN)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Pieces after which a summary is cut.", show_default=OWN)
    ] = None,
    min_tokens: Annotated[
        int | None, typer.Option(min=0, help="Pieces before a summary may end.", show_default=OWN)
    ] = None,
    max_words: Annotated[
        int | None, typer.Option(min=0, help="Most words, the last one whole; 0 is no limit.", show_default=OWN)
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0.0, help="More favours longer summaries.", show_default=OWN)
    ] = None,
    coverage_penalty: Annotated[
        float | None, typer.Option(min=0.0, help="More favours summaries of the whole document.", show_default=OWN)
    ] = None,
    block_ngrams: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="No N pieces in a row twice; 0 is off.", show_default=OWN)
    ] = None,
    source_support: Annotated[
        bool | None,
        typer.Option(
            "--source-support/--no-source-support",
            help="No number and no capitalised word that the document does not hold.",
            show_default=OWN,
        ),
    ] = None,
    risk_samples: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Draws that judge the beam by expected ROUGE; 0 is fast.", show_default=OWN
        ),
    ] = None,
) -> None:
    """Reads all documents first, so that a bad one is told before the model is loaded."""
    overrides: dict[str, int | float | None] = {
        "beam_size": beam,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
        "min_tokens": min_tokens,
        "max_tokens": max_tokens,
        "max_words": max_words,
        "block_ngrams": block_ngrams,
        "source_support": source_support,
        "risk_samples": risk_samples,
    }
    with user_errors():
        documents = [document for name in files or ["-"] for document in read_documents(name, lines)]
        with model_folder(model) as folder:
            from pipeline.hardware import use_hardware
            from seq2sum.summarize import Summarizer

            summarizer = Summarizer.load(folder, str(use_hardware()))
        search = override(summarizer.search, overrides, folder)
        if best is not None and best > search.beam_size:
            raise UserError(
                f"--best {best} wants a beam of {best} or more, not {search.beam_size}. Give --beam {best}."
            )
        texts, progress = [document.text for document in documents], sys.stderr.isatty() and len(documents) > 1
        for document, found in zip(
            documents, summarizer.summarize_best(texts, search, best or 1, progress), strict=True
        ):
            print(json_line(document, found, best) if json_lines else plain_lines(found, best))


def json_line(document: Document, found: "list[Summary]", best: int | None) -> str:
    """A document's summary, or with ``best`` its list of summaries as well, as JSON."""
    fields: dict[str, object] = {"source": document.source, "summary": found[0].text, "score": found[0].score}
    fields["truncated"] = found[0].truncated
    if best is not None:
        fields["best"] = [{"summary": summary.text, "score": summary.score} for summary in found]
    return json.dumps(fields, ensure_ascii=False)


def plain_lines(found: "list[Summary]", best: int | None) -> str:
    """A line for each summary; with ``best`` an empty line ends a document's."""
    lines = [" ".join(summary.text.split()) for summary in found]
    return "\n".join(lines if best is None else [*lines, ""])


@app.command()
def export(
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model folder instead of the champion.", show_default=False)
    ] = None,
) -> None:
    """Write the model as ONNX files, for machines without PyTorch (python -m seq2sum.portable)."""
    with user_errors():
        with model_folder(model) as folder:
            from seq2sum.export import export as write_export
            from seq2sum.summarize import Summarizer

            left_out = write_export(Summarizer.load(folder), to)
        for name, value in left_out.items():
            print(f"left out: {name} ({value}), which the exported form does not have", file=sys.stderr)


@app.command()
def models() -> None:
    """List the registered model's versions: aliases, ROUGE-1, when and from which commit."""
    with user_errors():
        from pipeline.tracking import connection, registry

        found = registry.versions(connection.connect())
        if not found:
            raise UserError(f"No version of {connection.model_name()!r} is registered. Make one with `make run`.")
        print(models_table(found))


def models_table(versions: "list[Version]") -> str:
    """A line per version under a heading."""
    rows = [("name", "version", "alias", "R-1", "R-2", "R-L", "registered", "commit")]
    for version in versions:
        tags = version.tags
        rouge = (tags.get("rouge1", "-"), tags.get("rouge2", "-"), tags.get("rougeL", "-"))
        when = datetime.fromtimestamp(version.created_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
        aliases = ", ".join(version.aliases) or "-"
        rows.append((version.name, version.number, aliases, *rouge, when, tags.get("git_sha", "-")[:10]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def read_documents(name: str, lines: bool) -> list[Document]:
    """The documents of a file, or of standard input if ``name`` is "-".

    Raises UserError naming the file, and the line where there is one, that can't be read or has no text.
    """
    text = _read_text(name)
    if not text.strip():
        raise UserError(f"{name}: empty.")
    if name.endswith(".jsonl"):
        numbered = enumerate(text.split("\n"), start=1)
        documents = [
            Document(f"{name}:{n}", _jsonl_document(f"{name}:{n}", line)) for n, line in numbered if line.strip()
        ]
    elif lines:
        numbered = enumerate(text.removesuffix("\n").split("\n"), start=1)
        documents = [Document(f"{name}:{n}", line) for n, line in numbered]
    else:
        documents = [Document(name, text)]
    for document in documents:
        if not document.text.strip():
            raise UserError(f"{document.source}: no text to summarize.")
    return documents


def _read_text(name: str) -> str:
    if name == "-" and sys.stdin.isatty():
        print("Reading a document from the terminal; end it with Ctrl-D.", file=sys.stderr)
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}.") from error
    if b"\0" in content:
        raise UserError(f"{name}: holds null bytes, so it is no text file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}:{line}: byte {error.start} is not UTF-8. Convert the file, with iconv say.") from error


def _jsonl_document(source: str, line: str) -> str:
    try:
        document = json.loads(line)["document"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f'{source}: expected a JSON object with a field "document".') from error
    if not isinstance(document, str):
        raise UserError(f'{source}: the field "document" is not text.')
    return document


@contextlib.contextmanager
def model_folder(given: Path | None) -> Iterator[Path]:
    """The model folder named by the user, or the champion's."""
    if given is not None:
        yield given
        return
    from pipeline.tracking.champion import champion_folder

    with champion_folder() as folder:
        yield folder


def override(search: SearchParams | None, overrides: Mapping[str, int | float | None], folder: Path) -> SearchParams:
    """The model's own search settings with the user's over them. Raises UserError where these don't fit together."""
    if search is None:
        raise UserError(f"{folder}: has no search settings (search.json).")
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        return SearchParams.model_validate(search.model_dump() | given)
    except ValidationError as error:
        problems = "; ".join(describe_problem(problem) for problem in error.errors())
        raise UserError(f"{problems} Mend the flags; what they leave out is the model's own.") from error
