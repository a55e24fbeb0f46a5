"""`python -m pipeline.demo`: serves the page to try a model on."""

import contextlib
import socket
import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from pipeline import paths
from pipeline.cli_errors import user_errors
from seq2sum.errors import UserError


def demo(
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="A model folder instead of the champion.")] = None,
    challenger: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model folder instead of the registry's challenger.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 7860,
    allowed_hosts: Annotated[
        str, typer.Option(help="Host names that the page may be asked for by, with commas; * for any.")
    ] = "127.0.0.1,localhost",
    votes: Annotated[Path, typer.Option(metavar="FILE", help="Where the votes are kept.")] = paths.VOTES,
) -> None:
    """Serve a page to try the registry's champion on, beside its challenger if there is one."""
    import uvicorn

    with user_errors(), contextlib.ExitStack() as folders:
        from pipeline.demo.app import create_app
        from pipeline.demo.shown import ShownModel
        from pipeline.demo.votes import Votes
        from pipeline.hardware import use_hardware
        from pipeline.tracking import registry
        from pipeline.tracking.champion import aliased_folder

        _require_free(host, port)
        device = str(use_hardware())
        shown = [
            ShownModel.load(
                registry.CHAMPION, model or folders.enter_context(aliased_folder(registry.CHAMPION)), device
            )
        ]
        if challenger is None and model is None:
            with contextlib.suppress(UserError):  # there need not be one
                challenger = folders.enter_context(aliased_folder(registry.CHALLENGER))
        if challenger is not None:
            shown.append(ShownModel.load(registry.CHALLENGER, challenger, device))
        kept = Votes(votes)
        try:
            kept.counts()
        except sqlite3.Error as error:
            raise UserError(f"{votes}: no store of votes ({error}). Name another file with --votes.") from error
        app = create_app(shown, kept, allowed_hosts.split(","))
        print(f"Open http://{host}:{port}/ (Ctrl-C ends it)", flush=True)
        uvicorn.run(app, host=host, port=port, log_level="warning")


def _require_free(host: str, port: int) -> None:
    """Raises UserError before any model is loaded, if nothing can listen there."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        mend = "Name another port with --port, as in `make demo ARGS='--port 7861'`."
        raise UserError(f"{host}:{port}: {error.strerror}. {mend}") from error


if __name__ == "__main__":
    typer.run(demo)
