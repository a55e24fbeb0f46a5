"""The life of a model against real servers: `make demo-registry` prints a transcript.

MLflow on PostgreSQL (Debian's packages must be there) with passwords, its files in an S3 store, a small corpus of
made-up pairs: train → register → gate → promote → train worse and register, while the server is killed and started
again → kept → rollback, two of them at once → verify → reproduce, by training and by `dvc pull` → serve, also from an
environment made of the version's requirements → load.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.tracking.connection import TEMPORARY_FAILURE
from pipeline.tracking.journal import read_growing_journal
from tests.behaviour.corpus import ROOT, make_project, set_params
from tests.servers import BUCKET, S3_ENVIRONMENT, MlflowServer, free_port, postgres, s3_store, wait_for

NUM_PAIRS = 4000
PUBLISH = "python -m pipeline.publish"
# A training that outlasts the server's new start and learns next to nothing, long enough for a follower at the lowest
# priority to begin on a busy machine.
LONG_AND_BAD = {"train.learning_rate": 1e-7, "train.max_steps": 6000, "train.validate_every": 6000,
                "train.log_every": 50, "train.checkpoint_every": 500}  # fmt: skip


class Shell:
    """Runs the commands of a user in the project, one at a time, and prints both, like a terminal."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._output, self._began = folder, folder.with_name("output"), 0.0
        self.environment = environment

    def __call__(self, command: str, status: int = 0, lines: int = 30) -> None:
        """Fails if the exit status is another; prints the last ``lines``."""
        self.end(self.start(command), status, lines)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Goes on while the command runs."""
        print(f"\n$ {command}", flush=True)
        self._began = time.monotonic()
        with self._output.open("wb") as output:
            return subprocess.Popen(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self._folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )

    def steps(self) -> int:
        """Steps of the training that was begun last."""
        journals = (self._folder / ".cache/checkpoints").glob("*/pace.jsonl")
        newest = max(journals, key=lambda path: path.stat().st_ctime_ns)
        return max((point.step for point in read_growing_journal(newest)), default=0)

    def end(self, running: subprocess.Popen[bytes], status: int = 0, lines: int = 30) -> None:
        """Waits for it and prints what it said."""
        running.wait()
        # Of a line that was written over, what stood there last.
        shown = [line.rpartition("\r")[2] for line in self._output.read_bytes().decode().split("\n")][-lines - 1 :]
        print("\n".join(shown).rstrip(), f"\n[status {running.returncode}, {time.monotonic() - self._began:.0f} s]")
        if running.returncode != status:
            sys.exit(f"status {running.returncode} where {status} was expected")


def kill_at(mlflow: MlflowServer, request: str, times: int, is_late: Callable[[], bool] = lambda: False) -> None:
    """Kills the server when it has answered so many more such requests, or some and it ``is_late`` for the others.

    Fails if it ``is_late`` for all of them: then nothing would be shown.
    """

    def seen() -> int:
        return mlflow.log.read_text().count(request) - before

    before = mlflow.log.read_text().count(request)
    wait_for(lambda: seen() >= times or is_late(), 1800)
    answered = seen()
    if not answered:
        raise SystemExit(f"no {request} was answered before the server was to be killed")
    print(f"# the server is killed (SIGKILL) after {answered} × {request}", flush=True)
    mlflow.kill()


def train_and_publish_through_outages(shell: Shell, mlflow: MlflowServer) -> None:
    """The server is killed while a training streams to it and while its results are published."""
    training = shell.start("dvc repro -q")
    # Curves are streamed at the lowest priority: a busy machine may be half through before the first point is sent.
    kill_at(
        mlflow, "POST /api/2.0/mlflow/runs/log-batch", 5, lambda: shell.steps() > LONG_AND_BAD["train.max_steps"] / 2
    )
    mlflow.start()
    print(f"# the server is up again; the training {'is over' if training.poll() is not None else 'goes on'}")
    shell.end(training)
    publishing = shell.start(PUBLISH)
    kill_at(mlflow, "PUT /api/2.0/mlflow-artifacts/artifacts", 3, lambda: publishing.poll() is not None)
    shell.end(publishing, status=TEMPORARY_FAILURE)
    mlflow.start()
    print("# the server is up again")
    shell(PUBLISH, lines=16)
    shell("python -m tests.demonstration.points")
    shell(f"{PUBLISH} | grep model && python -m tests.demonstration.points")


def commit(folder: Path, message: str) -> None:
    for arguments in (["add", "-A"], ["-c", "user.name=D", "-c", "user.email=d@localhost", "commit", "-qm", message]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for MLflow alone: nothing of the project to import, and no pickle is loaded."""
    own = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    return own | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}


def serve_and_ask(shell: Shell, folder: Path, command: str, environment: Mapping[str, str]) -> None:
    port = free_port()
    print(f"\n$ {command} --port {port} &", flush=True)
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port {port}"], cwd=folder, env=environment, stdout=log, stderr=log
        )

    def is_up() -> bool:
        assert process.poll() is None, (folder / "serve.log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_for(is_up, 1800)
        address = f"http://127.0.0.1:{port}/invocations"
        for body in (
            {"dataframe_records": [{"document": "This tool can sort every note by lamp. It needs no road."}]},
            {"dataframe_records": [{"document": ""}]},
        ):
            shell(f"curl -s -H 'Content-Type: application/json' {address} -d '{json.dumps(body)}'")
        shell(f"python -m benchmarks.serving http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Needs some minutes; prints as it goes."""
    temporary = Path(tempfile.mkdtemp(prefix="seq2sum-demo-"))
    project, server = temporary / "project", temporary / "server"
    server.mkdir()
    make_project(project, NUM_PAIRS)
    shutil.copytree(ROOT / "requirements", project / "requirements")
    password = secrets.token_urlsafe(12)
    commit(project, "a small corpus")
    try:
        with postgres(password) as store, s3_store(server) as endpoint:
            s3 = {**S3_ENVIRONMENT, "MLFLOW_S3_ENDPOINT_URL": endpoint}
            mlflow = MlflowServer(server, store, f"s3://{BUCKET}", password, s3)
            try:
                story(project, mlflow, password)
            finally:
                mlflow.kill()
        shutil.rmtree(temporary)
    except BaseException:
        print(f"the servers' logs are in {server}", file=sys.stderr)
        raise


def story(project: Path, mlflow: MlflowServer, password: str) -> None:
    """The commands, in order."""
    tracking = {
        "MLFLOW_TRACKING_URI": mlflow.uri,
        "MLFLOW_TRACKING_USERNAME": "admin",
        # Training, servers and clients share this machine: slow is not down.
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "300",
        "SEQ2SUM_DEVICE": "cpu",
        # For the environment that MLflow makes of a version's requirements; uv reads no variables of pip's.
        "MLFLOW_ENV_ROOT": str(project.parent / "environments"),
        "UV_FIND_LINKS": ",".join(os.environ.get("PIP_FIND_LINKS", "").split()),
    }
    path = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{project / 'src'}:{project}:{ROOT}",
    }
    threads = {"SEQ2SUM_THREADS": "1", "SEQ2SUM_WORKERS": "1", "OMP_NUM_THREADS": "1"}
    shell = Shell(project, {**os.environ, **path, **threads, **tracking, "MLFLOW_TRACKING_PASSWORD": password})
    set_params(project, {"train.max_steps": 8, "train.pretrain.max_steps": 0, "train.reward.max_steps": 0})
    commit(project, "train little")
    shell(f"dvc repro -q && {PUBLISH}", lines=16)
    set_params(project, {"train.max_steps": 60})
    commit(project, "train longer")
    shell(f"dvc repro -q && {PUBLISH}", lines=16)
    shell("seq2sum promote")
    set_params(project, LONG_AND_BAD)
    commit(project, "train with far too low a rate")
    train_and_publish_through_outages(shell, mlflow)
    shell("seq2sum promote", status=1)
    shell("seq2sum models")
    shell("seq2sum rollback --reason 'a drill'")
    shell("seq2sum rollback 2 --reason 'one of two at once' & seq2sum promote 1; wait")
    shell("[ $(seq2sum champion) = 2 ] || seq2sum rollback 2 --reason 'the drill is over'")
    shell("seq2sum history")
    shell("seq2sum ledger verify && seq2sum ledger export ledger.jsonl && seq2sum ledger verify --against ledger.jsonl")
    shell("seq2sum verify models:/seq2sum@champion")
    shell("seq2sum reproduce champion")
    shell(
        "dvc remote add --local --default store ../store && dvc push --quiet --all-commits && rm -r .dvc/cache && "
        "seq2sum reproduce champion --pull-only"
    )
    serve_and_ask(shell, project, "seq2sum serve champion", shell.environment)
    # From an environment that has the version's requirements and nothing else.
    command = "mlflow models serve -m models:/seq2sum@champion --env-manager uv"
    serve_and_ask(shell, project, command, bare(shell.environment))


if __name__ == "__main__":
    main()
