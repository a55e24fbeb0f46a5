"""The stack for a team without containers, on loopback: `make stack` starts it for this checkout and waits.

Prefect and MLflow, which asks for a password, on PostgreSQL (from Debian packages), a stand-in for the S3 store, a
worker for each pool. It is for trials: what it holds goes with it.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.behaviour.corpus import ROOT
from tests.servers import (
    BUCKET,
    S3_ENVIRONMENT,
    MlflowServer,
    PrefectServer,
    postgres,
    postgres_programs,
    prefect_database,
    s3_store,
)


@contextlib.contextmanager
def stack(project: Path, server: Path, settings: Mapping[str, str], password: str = "") -> Iterator[dict[str, str]]:
    """Runs all parts, logs in ``server``, workers in ``project`` with ``settings``; the environment of clients.

    STORE is the address of MLflow's database; Prefect's is its neighbour. MLflow asks for the ``password`` where there
    is one, which costs it a tenth of a second of CPU in every request: on two cores half of a demonstration's time.
    """
    (server / "prefect").mkdir(parents=True)
    with contextlib.ExitStack() as parts:
        store = parts.enter_context(postgres(secrets.token_urlsafe(12)))
        endpoint = parts.enter_context(s3_store(server))
        s3 = {**S3_ENVIRONMENT, "MLFLOW_S3_ENDPOINT_URL": endpoint}
        mlflow = MlflowServer(server, store, f"s3://{BUCKET}", password, s3)
        parts.callback(mlflow.kill)
        prefect = PrefectServer(server / "prefect", prefect_database(store))
        parts.callback(prefect.kill)
        environment = {
            **prefect.environment, **S3_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint,
            "MLFLOW_TRACKING_URI": mlflow.uri,
            **({"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password} if password else {}),
            "STORE": store.replace("+psycopg", ""),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            # Ten seconds of waiting for each run would be most of a small run's time.
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PATH": f"{Path(sys.executable).parent}:{postgres_programs()}:{os.environ['PATH']}", **settings,
        }  # fmt: skip
        for pool in ("gpu", "cpu"):
            parts.enter_context(worker(pool, project, server, environment))
        yield environment


@contextlib.contextmanager
def worker(pool: str, project: Path, server: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A worker of the pool, which it makes if there is none."""
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    print(f"\n$ {' '.join(command)} &", flush=True)
    with (server / f"{pool}.log").open("ab") as log:
        started = subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        started.terminate()
        # Under a shell that has it ignore SIGINT, Prefect's worker does not end.
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(30)
        started.kill()
        started.wait()


def main() -> None:
    """Ends with Ctrl-C."""
    server = Path(tempfile.mkdtemp(prefix="seq2sum-stack-")) / "server"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    password = secrets.token_urlsafe(12)
    with contextlib.suppress(KeyboardInterrupt), stack(ROOT, server, {}, password) as environment:
        print("\nlogs:", server)
        mlflow = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
        for name in ("PREFECT_API_URL", *mlflow, "AWS_ENDPOINT_URL", *S3_ENVIRONMENT):
            print(f"export {name}={environment[name]}", flush=True)
        signal.pause()
    shutil.rmtree(server.parent)


if __name__ == "__main__":
    main()
