"""The command line `seq2sum`: summaries of text, and what the model registry holds."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from pipeline.cli_errors import user_errors
from pipeline.documents import Document, cut_line, read_column, read_documents
from pipeline.init_cli import app as init_app
from pipeline.model_cli import JsonFlag, Model
from pipeline.model_cli import app as model_app
from pipeline.named_model import CHAMPION, model_folder
from pipeline.registry_cli import app as registry_app
from pipeline.terminal import columns
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.params_file import describe_problem

if TYPE_CHECKING:
    from pipeline.language import CommonWords
    from pipeline.tracking.registry import Version
    from seq2sum.summarize import Summary

# What a flag that is left out stands for.
OWN = "the model's"

app = typer.Typer(
    name="seq2sum",
    help="Summaries of text by the model that the pipeline trained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(init_app)
app.add_typer(model_app)
app.add_typer(registry_app)

SUMMARIZE_HELP = """Summarize documents: one line of output for each, in order.

\b
What is a document:
  FILE.jsonl          the text in the field "document" of each line
  --documents COLUMN  the text in that column of each row of a CSV, TSV, JSONL or Parquet file;
                      without it in the column of your own corpus (params.yaml), if the file has it
  any other FILE, -   the whole text; with --lines, each line of it
  no FILE             standard input

\b
Examples:
  seq2sum summarize report.txt
  cat report.txt | seq2sum summarize
  seq2sum summarize --json --beam 8 pairs.jsonl
  seq2sum summarize --documents body more.csv
  seq2sum summarize --best 3 --max-words 12 --source-support report.txt
  seq2sum summarize --lines --model models/summarizer sentences.txt

The model is the registry's champion (MLFLOW_TRACKING_URI says where, MLFLOW_MODEL_NAME which), or --model.
A text in a language that a registered version did not learn is summarized all the same, and told on standard error.
SEQ2SUM_DEVICE and SEQ2SUM_THREADS say what it runs on. Exit status: 0 done, 2 bad input or no model.
"""


@app.command(help=SUMMARIZE_HELP)
def summarize(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|-", help="What to read.", show_default=False)
    ] = None,
    model: Model = CHAMPION,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of a text is a document.")] = False,
    column: Annotated[
        str | None,
        typer.Option("--documents", metavar="COLUMN", help="Each row of a table is one.", show_default=False),
    ] = None,
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
    shortlist: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Pieces that may be generated, not just copied; 0 is all.", show_default=OWN
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
        "shortlist": shortlist,
        "risk_samples": risk_samples,
    }
    with user_errors():
        if lines and column is not None:
            raise UserError(
                "--lines and --documents: a file has either a document a line or columns. Give one of them."
            )
        documents = [
            document
            for name in files or ["-"]
            for document in (read_documents(name, lines) if column is None else read_column(name, column))
        ]
        with model_folder(model) as folder:
            from pipeline.hardware import use_hardware
            from pipeline.language import CommonWords
            from seq2sum.summarize import Summarizer

            summarizer = Summarizer.load(folder, str(use_hardware()))
            common = CommonWords.of_version(folder, summarizer.tokenizer)
        search = override(summarizer.search, overrides, folder)
        if best is not None and best > search.beam_size:
            raise UserError(
                f"--best {best} wants a beam of {best} or more, not {search.beam_size}. Give --beam {best}."
            )
        texts, progress = [document.text for document in documents], sys.stderr.isatty() and len(documents) > 1
        if common is not None and (foreign := common.foreign(texts, summarizer.tokenizer)):
            print(foreign_line(documents, foreign, common), file=sys.stderr)
        for document, found in zip(
            documents, summarizer.summarize_best(texts, search, best or 1, progress), strict=True
        ):
            print(json_line(document, found, best) if json_lines else plain_lines(found, best))
            if found[0].truncated and not json_lines:
                print(cut_line(document), file=sys.stderr)


def foreign_line(documents: Sequence[Document], foreign: Mapping[int, float], own: "CommonWords") -> str:
    """Tells once of all documents in a language that the model did not learn, by index their share of common words."""
    index, share = next(iter(foreign.items()))
    others = f", and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
    return (
        f"{documents[index].source}{others}: looks like a language or script that the model did not learn "
        f"({share:.0%} of its pieces are common words of the model's own documents, {own.usual:.0%} of theirs); expect "
        "no useful summary"
    )


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
def models(json_output: JsonFlag = False) -> None:
    """List the registered model's versions: aliases, ROUGE, when and from which commit. Exit status 2 if there is none.

    After a commit "+ uncommitted changes" says that the code was not quite that of the commit, "+ changed params" that
    params.yaml was another, as the version's record has it.

    \b
    Example:
      seq2sum models --json
    """
    with user_errors():
        from pipeline.tracking import connection, registry

        found = registry.versions(connection.connect())
        if not found:
            raise UserError(f"No version of {connection.model_name()!r} is registered. Make one with `make run`.")
        if json_output:
            rows = ({**version._asdict(), "tags": dict(version.tags)} for version in found)
            print(json.dumps(list(rows), indent=2, ensure_ascii=False))
        else:
            print(models_table(found))


def models_table(versions: "list[Version]") -> str:
    """A line per version under a heading."""
    from pipeline.lineage import beyond_commit

    rows = [("name", "version", "alias", "R-1", "R-2", "R-L", "registered", "commit")]
    for version in versions:
        tags = version.tags
        rouge = (tags.get("rouge1", "-"), tags.get("rouge2", "-"), tags.get("rougeL", "-"))
        when = datetime.fromtimestamp(version.created_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
        aliases = ", ".join(version.aliases) or "-"
        commit = tags.get("git_sha", "-")[:10] + beyond_commit(tags)
        rows.append((version.name, version.number, aliases, *rouge, when, commit))
    return columns(rows)


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


if __name__ == "__main__":
    app()
