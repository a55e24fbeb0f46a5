"""The command `seq2sum init`."""

import json
from typing import Annotated, Literal

import typer

from pipeline.cli_errors import require_writable, user_errors
from pipeline.model_cli import DocumentColumn, JsonFlag, SummaryColumn
from seq2sum.data_config import SplitName

app = typer.Typer(rich_markup_mode=None)

INIT_HELP = """Write params.yaml for your own files: where they are, and sizes that fit them, with the reasons.

The vocabulary, the lengths, the network and the steps follow from the number of pairs and from their lengths. These and
`ingest.max_pairs` are set anew at every call, and what they replace is told; all other values stay. A params.yaml that
git can bring back is replaced, one with changes of your own only with --force.

\b
Examples:
  seq2sum init mails.csv
  seq2sum init --source files --documents body --summaries subject --group author data/*.csv
  seq2sum init train.jsonl --val val.jsonl --test test.jsonl
  seq2sum init --json 'texts/**/*.jsonl.zst'

Then `make run`. Exit status: 0 done, 2 bad input or a params.yaml that would be lost.
"""


SplitFiles = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE", help="That split's own files, where there are any; once for each.", show_default="a share"
    ),
]


@app.command(help=INIT_HELP)
def init(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="JSONL, CSV, TSV, Parquet; globs of them.")],
    source: Annotated[Literal["files"], typer.Option(help="What the pairs are read from.")] = "files",
    val: SplitFiles = None,
    test: SplitFiles = None,
    documents: DocumentColumn = None,
    summaries: SummaryColumn = None,
    pair_id: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="Column that names a row.", show_default="file and row")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of what the split must not tear apart.", show_default="none"),
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="1,000 pairs and few steps, to see it run once.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over changes that git does not have.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Reads everything before it writes."""
    with user_errors():
        from pipeline import initialize, paths
        from pipeline.terminal import columns

        require_writable(paths.PARAMS)
        of_splits: dict[SplitName, list[str]] = {"train": files, "val": val or [], "test": test or []}
        if not (val or test):
            of_splits = {"all": files}
        given = {split: names for split, names in of_splits.items() if names}
        plan = initialize.plan(given, documents, summaries, pair_id, group, paths.PARAMS, trial=trial)
        initialize.write_plan(plan, paths.PARAMS, force=force)
        if json_output:
            print(json.dumps(initialize.as_json(plan, paths.PARAMS), indent=2, ensure_ascii=False))
            return
        found = f", found {plan.columns.how}" if plan.columns.how else ""
        print(f"documents from {plan.columns.document!r}, summaries from {plan.columns.summary!r}{found}")
        print(f"{plan.num_pairs:,} pairs")
        if plan.num_textless:
            share = plan.num_textless / (plan.num_pairs + plan.num_textless)
            print(f"without document or summary, and so left out: {plan.num_textless:,} rows ({share:.1%})")
        print()
        rows = [
            (
                choice.key,
                "all" if choice.value is None else str(choice.value),
                f"was {was}" if was else "",
                choice.reason,
            )
            for choice, was in zip(plan.choices, initialize.replaced(plan), strict=True)
        ]
        print(columns(rows))
        print("\nAll other values stay as they were.")
        minutes = max(1, round(plan.seconds / 60))
        print(f"{paths.PARAMS} is written. Training will take about {minutes} min on two cores (twice that without")
        print("bfloat16, a fraction on a GPU), the summaries of the test split a few more.")
        print(*plan.warnings, plan.gate, sep="\n")
        print("next: make run")
        if trial:
            print("then, for all pairs: the same command with --force and without --trial, and make run again")
