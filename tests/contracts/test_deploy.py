"""The containers' files fit together: there is no engine here that would say so."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.server.auth.config import read_auth_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def lines(path: Path) -> set[str]:
    return {line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}


def mounts() -> list[tuple[str, str, str]]:
    """Service, source and place of everything that is mounted."""
    return [
        (name, *mount.split(":")[:2])
        for name, service in COMPOSE["services"].items()
        for mount in service.get("volumes", [])
    ]


def test_the_example_names_every_variable_that_compose_reads_and_no_other() -> None:
    # `$$` is a dollar sign for the container's own shell.
    read = re.findall(r"(?<!\$)\$\{?(\w+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    example = {line.partition("=")[0] for line in lines(DEPLOY / ".env.example")}
    assert set(read) == example


def test_every_file_that_is_mounted_exists_and_every_volume_is_declared() -> None:
    sources = {source for _, source, _ in mounts()}
    files = {source for source in sources if source.startswith(".")}
    assert len(files) >= 3
    assert {file for file in files if not (DEPLOY / file).is_file()} == set()
    assert sources - files == set(COMPOSE["volumes"])


def test_the_image_takes_in_nothing_that_git_ignores() -> None:
    """Least of all deploy/.env with its passwords."""
    ignored = {f".dvc/{name.strip('/')}" for name in lines(ROOT / ".dvc/.gitignore")}
    for pattern in lines(ROOT / ".gitignore"):
        ignored.add(pattern.strip("/") if pattern.startswith("/") else f"**/{pattern.strip('/')}")
    assert "deploy/.env" in ignored
    assert ignored <= lines(ROOT / ".dockerignore")


def test_accounts_are_in_a_database_that_is_made_and_backed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = COMPOSE["services"]["mlflow"]
    (source,) = (one for service, one, place in mounts() if place == mlflow["environment"]["MLFLOW_AUTH_CONFIG_PATH"])
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(DEPLOY / source))
    kind, name = read_auth_config().database_uri.split("://mlflow@postgres/")
    assert kind == "postgresql+psycopg"
    made = re.findall(r"CREATE DATABASE (\w+);", (DEPLOY / "postgres-init.sql").read_text(encoding="utf-8"))
    dumped = re.search(r"for database in ([\w ]+);", COMPOSE["services"]["backup"]["command"])
    assert dumped
    assert name in made
    assert {"mlflow", *made} == set(dumped[1].split())


def test_workers_keep_checkpoints_and_reach_a_bucket_that_is_made(tmp_path: Path) -> None:
    buckets = re.findall(r" store/(\w+)", COMPOSE["services"]["bucket"]["command"][0])
    for name in ("worker-cpu", "worker-gpu"):
        places = {place: source for service, source, place in mounts() if service == name}
        assert {"/srv/seq2sum/.cache/checkpoints", "/srv/seq2sum/.dvc/cache"} <= set(places)
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(COMPOSE["services"][name]["environment"])
        (tmp_path / "config").write_bytes((DEPLOY / places["/etc/xdg/dvc/config"]).read_bytes())
    environment = {"DVC_SYSTEM_CONFIG_DIR": str(tmp_path), "DVC_NO_ANALYTICS": "1"}
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "core.remote=store" in listed
    (bucket,) = re.findall(r"^remote\.store\.url=s3://(\w+)$", listed, flags=re.MULTILINE)
    assert bucket in buckets
    assert "remote.store.endpointurl=http://store:9000" in listed
