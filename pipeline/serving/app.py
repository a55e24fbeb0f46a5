"""Serves a registered version over HTTP: MLflow's scoring server behind limits of size and of who it answers to."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.pyfunc
from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from mlflow.pyfunc import scoring_server

from pipeline.serving.invocations import answer
from pipeline.serving.limits import TooLarge
from pipeline.serving.pyfunc_model import MAX_BATCH_DOCUMENTS

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

_PATH = "/invocations"
# A request holds a thread from its coming to its answer: while one full batch is summarized, the next one gathers.
_MOST_REQUESTS = 2 * MAX_BATCH_DOCUMENTS


def create_app(model: "PyFuncModel", allowed_hosts: list[str]) -> FastAPI:
    """MLflow's application with an answer to POST /invocations of our own."""
    app: FastAPI = scoring_server.init(model)
    threads = ThreadPoolExecutor(_MOST_REQUESTS, thread_name_prefix="invocations")
    app.router.routes[:] = [route for route in app.routes if getattr(route, "path", "") != _PATH]

    @app.post(_PATH)
    async def invocations(request: Request) -> Response:
        body, content_type = await request.body(), request.headers.get("content-type", "")
        loop = asyncio.get_running_loop()
        status, text = await loop.run_in_executor(threads, answer, model, body, content_type)
        return Response(text, status, media_type="application/json")

    app.add_middleware(TooLarge)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts)
    return app


def serve(folder: Path, host: str, port: int, allowed_hosts: list[str]) -> None:
    """Serves the version in ``folder`` until it is ended. Neither documents nor summaries reach the log."""
    import uvicorn

    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    app = create_app(mlflow.pyfunc.load_model(str(folder)), allowed_hosts)
    uvicorn.run(app, host=host, port=port, log_level="info")
