"""Serves a registered version over HTTP: MLflow's scoring server behind limits of size and of who it answers to."""

import os
from pathlib import Path

import mlflow.pyfunc
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from mlflow.pyfunc import scoring_server

from pipeline.serving.limits import TooLarge


def serve(folder: Path, host: str, port: int, allowed_hosts: list[str]) -> None:
    """Serves the version in ``folder`` until it is ended. Neither documents nor summaries reach the log."""
    import uvicorn

    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    app = scoring_server.init(mlflow.pyfunc.load_model(str(folder)))
    app.add_middleware(TooLarge)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts)
    uvicorn.run(app, host=host, port=port, log_level="info")
