"""The commands of `seq2sum` that judge, promote, take back and check registered versions."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_errors import user_errors
from pipeline.model_cli import JsonFlag
from pipeline.terminal import coloured

if TYPE_CHECKING:
    from pipeline.tracking.chain import Entry

app = typer.Typer()
ledger_app = typer.Typer(help="The promotion ledger: check it, copy it.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")

NOT_PROMOTED = 1
BROKEN = 1
_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "yellow")}

Named = Annotated[str, typer.Argument(metavar="VERSION", help="A number, an alias or models:/NAME@ALIAS.")]


@app.command()
def promote(version: Named = "challenger", json_output: JsonFlag = False) -> None:
    """Judge a challenger against the champion on the same test rows, and promote it if it is proven better.

    Exit status: 0 promoted, 1 not promoted (kept out, or too little data to tell), 2 bad input.

    \b
    Example:
      seq2sum promote 4 --json
    """
    with user_errors():
        from pipeline.promote import as_json
        from pipeline.promote import promote as judge

        done = judge(version)
        if json_output:
            print(json.dumps(as_json(done), indent=2, ensure_ascii=False))
        else:
            against = f" against the champion {done.champion}" if done.champion else ""
            print(f"version {done.challenger}{against}: {done.decision}")
            print("\n".join(f"  {reason}" for reason in done.reasons))
            if done.report:
                print(
                    "report:",
                    *(path for name in ("verdict.md", "report.html") if (path := done.report / name).exists()),
                )
    if done.decision != "promote":
        raise typer.Exit(NOT_PROMOTED)


@app.command()
def history(json_output: JsonFlag = False) -> None:
    """List who was champion when, by whom and why: the promotion ledger, the oldest entry first.

    With --json a line for each entry, as `ledger export` writes them. Exit status 1 if something is wrong with the
    ledger; standard error says what.

    \b
    Examples:
      seq2sum history
      seq2sum history --json | jq -r 'select(.action == "rollback") | [.time, .actor, .evidence.reason] | @tsv'
    """
    with user_errors():
        from pipeline import succession

        for entry in succession.history():
            print(entry.text() if json_output else _line(entry))
        found = succession.ledger_problems()
    if found:
        print("\n".join(found), file=sys.stderr)
        raise typer.Exit(BROKEN)


@app.command()
def champion(
    at: Annotated[str | None, typer.Option(metavar="DATE", help="On that day (its end) or at that time.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Print the champion's version number, now or at a time gone by. Exit status 1 if there was none.

    \b
    Examples:
      seq2sum champion
      seq2sum champion --at 2026-01-31
    """
    with user_errors():
        from pipeline import succession

        version = succession.champion_of(succession.parse_moment(at) if at else None)
    if version is None:
        print("there was no champion" if at else "there is no champion", file=sys.stderr)
        raise typer.Exit(1)
    print(json.dumps({"version": version}) if json_output else version)


@app.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="The version to go to.", show_default="the champion before this one")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")] = "not given",
    json_output: JsonFlag = False,
) -> None:
    """Make the former champion, or the version named, champion again. Exit status: 0 done, 2 there is none to go to.

    Without a version it works like an undo key: called again, it goes to the champion before that, and never back and
    forth. With a version it takes back all that came after that version's reign.

    \b
    Examples:
      seq2sum rollback --reason 'it writes dates that are wrong'
      seq2sum rollback 3
    """
    with user_errors():
        from pipeline import succession

        entry = succession.roll_back(version, reason)
        print(entry.text() if json_output else _line(entry))


@ledger_app.command("verify")
def ledger_verify(
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="An earlier export to compare with.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Check that no entry was edited, removed or moved, nor the verdict that it rests on. Exit status 1 if one was.

    \b
    Example:
      seq2sum ledger verify --against ledger.jsonl
    """
    with user_errors():
        from pipeline import succession

        found = succession.ledger_problems(against, with_verdicts=True)
    print(
        json.dumps({"whole": not found, "problems": found})
        if json_output
        else "\n".join(found or ["the ledger is whole"])
    )
    if found:
        raise typer.Exit(BROKEN)


@ledger_app.command("export")
def ledger_export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write JSON lines.")],
    json_output: JsonFlag = False,
) -> None:
    """Copy the ledger to a file, for keeping elsewhere: `ledger verify --against FILE` compares.

    \b
    Example:
      seq2sum ledger export ledger.jsonl
    """
    with user_errors():
        from pipeline import succession

        entries = succession.export_ledger(path)
        print(
            json.dumps({"entries": entries, "path": str(path)})
            if json_output
            else f"{entries} entries written to {path}"
        )


@app.command()
def verify(version: Named = "champion", json_output: JsonFlag = False) -> None:
    """Check a version's files against their hashes, and that it still writes what it wrote when it was registered.

    ✓ holds, ✗ does not, – was not checked, since nothing is at hand to check it by (`holds` is null in JSON). Exit
    status 1 if anything is not as it was.

    \b
    Example:
      seq2sum verify models:/seq2sum@champion
    """
    with user_errors():
        from pipeline.verify import verify as check

        findings = check(version)
    if json_output:
        print(json.dumps([finding._asdict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{coloured(*_MARKS[finding.holds])} {finding.what}: {finding.detail}")
        held, broken, unchecked = ([finding.holds for finding in findings].count(one) for one in (True, False, None))
        print(f"{held} of {len(findings)} hold, {broken} do not, {unchecked} not checked")
    if any(finding.holds is False for finding in findings):
        raise typer.Exit(BROKEN)


@app.command()
def reproduce(
    version: Named = "champion",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the work tree in .cache/reproduce.")] = False,
    pull_only: Annotated[bool, typer.Option("--pull-only", help="Fetch the weights; do not train.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Train a version anew from its commit and dvc.lock in a clean work tree, and compare the weights.

    Exit status 1 if they differ; what differs is told.

    \b
    Example:
      seq2sum reproduce 3
    """
    with user_errors():
        from pipeline.reproduce import report
        from pipeline.reproduce import reproduce as make

        done = make(version, keep=keep, pull_only=pull_only)
        print(json.dumps({**done._asdict(), "same": done.same}, default=str) if json_output else report(done))
    if not done.same:
        raise typer.Exit(BROKEN)


@app.command()
def serve(
    version: Named = "champion",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5001,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="A Host header to answer to, besides localhost; may be repeated.")
    ] = None,
) -> None:
    """Check a version's files, then answer POST /invocations with its summaries, as `mlflow models serve` does.

    \b
    curl -H 'Content-Type: application/json' http://127.0.0.1:5001/invocations \\
      -d '{"dataframe_records": [{"document": "…"}], "params": {"num_beams": 4}}'
    """
    with user_errors():
        import tempfile

        from pipeline.tracking import connection, registry

        with tempfile.TemporaryDirectory(prefix="seq2sum-") as temporary:
            folder = registry.fetch(registry.find_named(connection.connect(), version), Path(temporary))
            from pipeline.serving.app import serve as run

            run(folder, host, port, ["localhost", "127.0.0.1", *(allowed_host or [])])


def _line(entry: "Entry") -> str:
    reason = entry.evidence.get("reason", "")
    claimed = entry.evidence.get("claimed_actor")
    who = f"{entry.actor} (as {claimed})" if claimed else entry.actor
    change = f"{entry.previous or '-'} → {entry.version or '-'}"
    return f"{entry.index:>3}  {entry.time[:19]}Z  {entry.action:<9} {change:<9} {who}  {reason}".rstrip()
