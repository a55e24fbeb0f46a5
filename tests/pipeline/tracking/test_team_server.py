"""A server that several share: passwords, artifacts in an S3 store that only the server has the keys of."""

import base64
import contextlib
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from pipeline import publish
from pipeline.tracking import champion, connection
from pipeline.verify import verify
from seq2sum.errors import UserError
from tests.servers import BUCKET, S3_ENVIRONMENT, MlflowServer, s3_store

PASSWORD = "correct horse battery"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[tuple[MlflowServer, str]]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    with s3_store(folder) as endpoint:
        s3 = S3_ENVIRONMENT | {"MLFLOW_S3_ENDPOINT_URL": endpoint}
        running = MlflowServer(folder, f"sqlite:///{folder}/mlflow.db", f"s3://{BUCKET}", PASSWORD, s3)
        # A password that is quickly checked: else its hash takes most of the time of every request.
        with contextlib.closing(sqlite3.connect(folder / "basic_auth.db")) as users, users:
            users.execute("UPDATE users SET password_hash = ?", [generate_password_hash(PASSWORD, "pbkdf2:sha256:1")])
        yield running, endpoint
        running.kill()


def status(url: str, **headers: str) -> int:
    key = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {key}", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_a_shared_server_asks_for_a_password_keeps_files_in_s3_and_refuses_strangers(
    project: Path, server: tuple[MlflowServer, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running, endpoint = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.uri)
    for user, password in (("", ""), ("admin", "wrong")):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        with pytest.raises(UserError, match="MLflow at http"):
            connection.connect()

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    published = publish.publish(publish.read_results())
    assert published.version.aliases == ("champion",)
    import boto3

    keys = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up", "region_name": "us-east-1"}
    stored = boto3.client("s3", endpoint_url=endpoint, **keys).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [one["Key"] for one in stored if one["Key"].endswith("/artifacts/summarizer/model.safetensors")]
    assert [finding.what for finding in verify("champion") if finding.holds is False] == []
    with champion.champion_folder() as folder:
        weights = Path("models/summarizer/model.safetensors")
        assert (folder / weights.name).read_bytes() == (project / weights).read_bytes()

    address = f"{running.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=seq2sum"
    assert (status(address), status(address, Host="evil.example")) == (200, 403)
    for path in ("../../server.log", "..%2f..%2fserver.log", "%2e%2e/%2e%2e/server.log", "/etc/hostname"):
        assert 400 <= status(f"{running.uri}/api/2.0/mlflow-artifacts/artifacts/{path}") < 500
