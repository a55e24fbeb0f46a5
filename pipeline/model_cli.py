"""The commands of `seq2sum` that look at a model: what it is, why it writes what it does, how well, beside another;
and that write it in another form."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from pipeline.cli_errors import require_writable, user_errors
from pipeline.named_model import CHAMPION, model_folder, named_model
from seq2sum.errors import UserError

app = typer.Typer(rich_markup_mode=None)

JsonFlag = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Model = Annotated[
    str, typer.Option(metavar="DIR|VERSION", help="A model folder, or a version's number, alias or models:/ address.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="JSONL, CSV, TSV or Parquet, also compressed.")]
DocumentColumn = Annotated[
    str | None,
    typer.Option("--documents", metavar="COLUMN", help="Column of the documents.", show_default="looked for"),
]
SummaryColumn = Annotated[
    str | None,
    typer.Option("--summaries", metavar="COLUMN", help="Column of the summaries.", show_default="looked for"),
]

EXPLAIN_HELP = """Show where each word of a summary comes from: copied or generated, from which place, looking at what.

A word counts as copied if more than half of its probability comes from copying. On a terminal copied words are green
and generated ones yellow; elsewhere [copied] ones stand in brackets, in the summary and in the document.

\b
Examples:
  seq2sum explain report.txt
  seq2sum explain --summary 'Harbour museum opens' report.txt
  seq2sum explain --documents body more.csv
  seq2sum explain --json --model models/summarizer documents.jsonl

Exit status: 0 done, 2 bad input or no model.
"""


@app.command(help=EXPLAIN_HELP)
def explain(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE|-", help="What to read, as `summarize`.")] = None,
    model: Model = CHAMPION,
    column: Annotated[
        str | None,
        typer.Option("--documents", metavar="COLUMN", help="Each row of a table is one.", show_default=False),
    ] = None,
    summary: Annotated[
        str | None, typer.Option(help="Explain this text instead of the model's own summary.", show_default=False)
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON line for each document.")] = False,
) -> None:
    """Reads all documents first, as `summarize` does."""
    with user_errors():
        from pipeline import explain_view
        from pipeline.documents import cut_line, read_column, read_documents

        documents = [
            document
            for name in files or ["-"]
            for document in (read_documents(name, lines=False) if column is None else read_column(name, column))
        ]
        with model_folder(model) as folder:
            from pipeline.hardware import use_hardware
            from seq2sum.explain import explain as explained
            from seq2sum.summarize import Summarizer

            summarizer = Summarizer.load(folder, str(use_hardware()))
        if summary is None and summarizer.search is None:
            raise UserError(f"{folder}: has no search settings (search.json), so give the --summary to explain.")
        # The results go to standard output one by one, where on a terminal they tell of the progress themselves.
        is_silent = not sys.stderr.isatty() or sys.stdout.isatty() or len(documents) < 2
        for document in tqdm(documents, "explain", unit="doc", mininterval=1, disable=is_silent):
            wanted: str | tuple[int, ...]
            if summary is not None:
                wanted = summary
            else:
                assert summarizer.search is not None
                wanted = summarizer.summarize([document.text], summarizer.search)[0].ids
            explanation = explained(summarizer, document.text, wanted)
            words = explain_view.word_origins(document.text, explanation)
            if json_output:
                found = explain_view.as_json(document.source, words, explanation)
                print(json.dumps(found, ensure_ascii=False))
            else:
                heading = f"{document.source}:\n" if len(documents) > 1 else ""
                print(heading + explain_view.as_text(document.text, words), end="\n\n")
                if explanation.truncated:
                    print(cut_line(document), file=sys.stderr)


EVALUATE_HELP = """Score a model on files of documents with summaries: ROUGE with 95 % intervals, beside baselines.

What ROUGE means here, the seed and the number of resamplings stand under `evaluate` in params.yaml; the model searches
with its own settings, and a registered version with its own code. --output keeps summaries and scores for `compare`.
Documents that stand in data/split/train.parquet are told: of a model that learnt them, such scores say little.

\b
Examples:
  seq2sum evaluate data/split/test.parquet
  seq2sum evaluate --model 3 --documents text --summaries title more.csv
  seq2sum evaluate --model models/summarizer --output mine.parquet news.jsonl

Exit status: 0 done, 2 bad input or no model.
"""


@app.command(help=EVALUATE_HELP)
def evaluate(
    files: Files,
    model: Model = CHAMPION,
    documents: DocumentColumn = None,
    summaries: SummaryColumn = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Keep summaries and scores.", show_default=False)
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Prints the table of scores, or the same as JSON."""
    with user_errors():
        from pipeline import paths
        from pipeline.labelled import in_training_split, read_labelled, score_model, score_report
        from seq2sum.evaluation.system_outputs import write_outputs
        from seq2sum.evaluation.table import scores_table
        from seq2sum.params_file import load_params

        if output is not None:
            require_writable(output)
            if output.suffix != ".parquet" or output.resolve() in {file.resolve() for file in files}:
                raise UserError(f"{output}: --output writes a .parquet file of its own. Name another.")
        params = load_params(paths.PARAMS).evaluate
        pairs, num_textless = read_labelled(files, documents, summaries)
        with named_model(model) as named:
            num_trained = in_training_split(pairs)
            hypotheses = named.summarize([pair.document for pair in pairs])
        outputs = score_model(pairs, hypotheses, params)
        if output is not None:
            write_outputs(output, outputs)
        report = score_report(outputs, params)
        if json_output:
            counts = {"in_training_split": num_trained, "num_textless": num_textless}
            print(json.dumps({"model": named.name, **counts, **report}, indent=2, ensure_ascii=False))
        else:
            print(f"{named.name}\n\n{scores_table(report)}")


COMPARE_HELP = """Compare two models on the same documents: the gain of the first over the second, and how sure it is.

A model is a folder, a version (number, alias, models:/ address) or what `evaluate --output` wrote of the same pairs.
p is the larger of the paired bootstrap's and approximate randomization's, Holm-corrected over the ROUGE types; scores
under different metric signatures are refused. Section `promote` of params.yaml has seed, level and resamplings. Two
names of the same model, such as a folder and the version that was registered of it, are told without a comparison.

\b
Examples:
  seq2sum compare models/summarizer champion data/split/test.parquet
  seq2sum compare 4 3 --documents text --summaries title more.csv
  seq2sum compare mine.parquet champion news.jsonl

Exit status: 0 done, whatever the result, 2 bad input or no model.
"""


@app.command(help=COMPARE_HELP)
def compare(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="The model that may be better.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The model that it is compared with.")],
    files: Files,
    documents: DocumentColumn = None,
    summaries: SummaryColumn = None,
    json_output: JsonFlag = False,
) -> None:
    """Prints a table, or the evidence as JSON."""
    with user_errors():
        from pipeline import paths
        from pipeline.head_to_head import comparison_table, head_to_head
        from pipeline.labelled import in_training_split, read_labelled
        from seq2sum.params_file import load_params

        params = load_params(paths.PARAMS)
        pairs, num_textless = read_labelled(files, documents, summaries)
        num_trained = in_training_split(pairs)
        compared = head_to_head(first, second, pairs, params)
        if json_output:
            counts = {"in_training_split": num_trained, "num_textless": num_textless}
            found = {"challenger": first, "champion": second} if compared is None else compared.as_json()
            print(json.dumps({"same_model": compared is None, **counts, **found}, indent=2, ensure_ascii=False))
        elif compared is None:
            print(
                f"{first} and {second} are the same model: weights, vocabulary, search settings and code have the same "
                "SHA-256, so there is nothing to compare. `seq2sum models` lists others."
            )
        else:
            print(comparison_table(compared, params.promote))


INFO_HELP = """Tell what a model is: its network, sizes, vocabulary and settings, and if it is registered its scores.

\b
Examples:
  seq2sum info
  seq2sum info 3
  seq2sum info --json models/summarizer

Exit status: 0 done, 2 no such model.
"""


@app.command(help=INFO_HELP)
def info(
    model: Annotated[
        str, typer.Argument(metavar="DIR|VERSION", help="A model folder, or a version as for `evaluate`.")
    ] = CHAMPION,
    json_output: JsonFlag = False,
) -> None:
    """Reads the model's files without computing with it."""
    with user_errors():
        from pipeline.model_info import info_text, model_info

        with named_model(model) as named:
            found = model_info(named)
        print(json.dumps(found, indent=2, ensure_ascii=False) if json_output else info_text(found))


EXPORT_HELP = """Write a model as ONNX files, for machines without PyTorch.

`python -m seq2sum.portable DIR` then summarizes with ONNX Runtime and NumPy. It takes the likeliest summary of
the beam; settings that it does not have are left out, and told.

\b
Examples:
  seq2sum export --to exported
  seq2sum export --quantize --model models/summarizer --to exported

Exit status: 0 done, 2 no model.
"""


@app.command(help=EXPORT_HELP)
def export(
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    model: Model = CHAMPION,
    quantize: Annotated[bool, typer.Option("--quantize", help="Multiply by the vocabulary in 8-bit integers.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Writes the folder whole or not at all."""
    with user_errors():
        require_writable(to, is_folder=True)
        with model_folder(model) as folder:
            from seq2sum.export import export as write_export
            from seq2sum.summarize import Summarizer

            left_out = write_export(Summarizer.load(folder), to, quantize)
        if json_output:
            print(json.dumps({"folder": str(to), "left_out": left_out}))
            return
        for name, value in left_out.items():
            print(f"left out: {name} ({value}), which the exported form does not have", file=sys.stderr)
