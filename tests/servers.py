"""Real servers on loopback: MLflow, an S3 store (moto's) and PostgreSQL (Debian's packages)."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.pipeline.tracking.project import environment

S3_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "models"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


class _Server:
    """A server's processes, to be killed, started again and stopped for a while."""

    def __init__(self, folder: Path, address: str, command: list[str], own: Mapping[str, str]) -> None:
        self._folder, self._health, self._command, self._environment = folder, f"{address}/health", command, own
        self.log = folder / "server.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(self._is_up, 900)
        except BaseException:
            self.kill()
            raise

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(self._health, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._process.wait()


class MlflowServer(_Server):
    """A tracking server, which asks for the ``password`` of the user admin where there is one.

    ``store``: the backend's address. ``files``: where it keeps its clients' artifacts. ``own``: its own environment.
    """

    def __init__(
        self, folder: Path, store: str, files: str, password: str = "", own: Mapping[str, str] | None = None
    ) -> None:
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        command = ["mlflow", "server", "--backend-store-uri", store, "--artifacts-destination", files]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        if password:
            command += ["--app-name", "basic-auth"]
            settings |= {
                "MLFLOW_AUTH_ADMIN_PASSWORD": password,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
            }
        super().__init__(folder, self.uri, command, environment("") | settings | dict(own or {}))


class PrefectServer(_Server):
    """A Prefect server, on SQLite in ``folder`` or on ``database``. ``environment``: its clients'."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        port = free_port()
        self.api = f"http://127.0.0.1:{port}/api"
        settings = {
            "PREFECT_HOME": str(folder),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "true",
            # Kept in memory, leases would be lost with the server, and their slots taken for ever.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
        }
        self.environment = environment("") | settings | {"PREFECT_API_URL": self.api}
        own = environment("") | settings | {"PREFECT_SERVER_UI_API_URL": "/api"}
        if database:
            own["PREFECT_API_DATABASE_CONNECTION_URL"] = database
        command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        super().__init__(folder, self.api, command, own)


@contextlib.contextmanager
def s3_store(folder: Path) -> Iterator[str]:
    """An S3 server with an empty bucket; its address."""
    import boto3

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log, stderr=log, env=environment("") | S3_ENVIRONMENT,
        )  # fmt: skip

    def is_up() -> bool:
        assert process.poll() is None, (folder / "s3.log").read_text()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False

    try:
        wait_for(is_up, 120)
        keys = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        process.terminate()
        process.wait()


def postgres_programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@contextlib.contextmanager
def postgres(password: str) -> Iterator[str]:
    """A PostgreSQL cluster of its own with databases `mlflow` and `prefect`; the first one as MLflow wants its address.

    As root it runs as the user postgres.
    """
    programs = postgres_programs()
    folder, port, prefix = Path(tempfile.mkdtemp(prefix="postgres-")), free_port(), []
    secret, data = folder / "secret", folder / "data"
    secret.write_text(password)
    if os.getuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(programs / program), *arguments]
        # Not captured: a server that stays would keep the pipe open.
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, cwd="/", stdout=log, stderr=log, check=True)

    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    try:
        run("initdb", "-D", str(data), "-U", "mlflow", "-A", "scram-sha-256", "--pwfile", str(secret))
        run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
        import psycopg

        address = f"postgresql://mlflow:{password}@127.0.0.1:{port}"
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connected:
            connected.execute("CREATE DATABASE mlflow")
            connected.execute("CREATE DATABASE prefect")
        yield f"{address}/mlflow".replace("postgresql:", "postgresql+psycopg:")
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink()


def prefect_database(store: str) -> str:
    """The address of the other database of :func:`postgres`, as Prefect wants it."""
    return store.replace("+psycopg:", "+asyncpg:").removesuffix("mlflow") + "prefect"
