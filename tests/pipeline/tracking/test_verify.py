import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.tracking import connection, registry
from pipeline.verify import verify
from seq2sum.errors import UserError


@pytest.fixture
def client(published: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(published)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{published}/mlflow.db")
    return connection.connect()


@pytest.fixture
def stored(client: MlflowClient) -> Path:
    """Where the champion's files are in the store."""
    source = client.get_model_version_by_alias("seq2sum", "champion").source
    return Path(client.get_logged_model(source.removeprefix("models:/")).artifact_location)


def failing(name: str = "champion") -> list[str]:
    return [finding.what for finding in verify(name) if finding.holds is False]


def test_a_version_as_it_was_registered_holds_in_every_point(client: MlflowClient) -> None:
    findings = verify("models:/seq2sum@champion")
    assert [finding.what for finding in findings if finding.holds is False] == []
    told = {finding.what: finding.detail for finding in findings}
    assert {"weights", "tokenizer", "config", "search", "dvc.lock"} <= set(told)
    assert told["data/split/train.parquet"] == f"{'t' * 32}, as recorded; its bytes are not at hand"
    unchecked = [finding.what for finding in findings if finding.holds is None]
    assert unchecked == ["verdicts in the ledger", "data/split/train.parquet", "data/split/val.parquet"]
    assert told["data/split"].endswith(".dir, as recorded; its bytes in the work tree have it")
    assert len(told["environment lock"]) == 64
    assert told["recorded summaries"] == "20 of 20 written again byte for byte"
    assert told["files as in the ledger"] == told["files of version 1"]
    assert told["champion as in the ledger"] == "entry 1, first"
    with pytest.raises(UserError, match="no version 'challenger'"):
        verify("challenger")


def test_bytecode_that_loading_left_in_the_store_is_not_taken_along(
    client: MlflowClient, stored: Path, tmp_path: Path
) -> None:
    cached = stored / "code/seq2sum/__pycache__"
    cached.mkdir(exist_ok=True)
    (cached / "summarize.cpython-311.pyc").write_bytes(b"planted")
    fetched = registry.fetch(registry.find_named(client, "champion"), tmp_path)
    assert (fetched / "code/seq2sum/summarize.py").exists()
    assert not list(fetched.rglob("*.pyc"))


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: append(folder / "artifacts/summarizer/tokenizer.json"), {"tokenizer"}),
        (lambda folder: append(folder / "artifacts/record/dvc.lock"), {"dvc.lock"}),
        (lambda folder: append(folder / "artifacts/record/environment.lock"), {"environment lock"}),
        (lambda folder: append(folder / "code/seq2sum/summarize.py"), set()),
        (lambda folder: append(folder / "MLmodel"), set()),
        (lambda folder: (folder / "python_model.pkl").write_bytes(b"N."), {"no pickle"}),
        (lambda folder: shutil.rmtree(folder / "artifacts/record"), {"the record"}),
    ],
)
def test_a_changed_file_is_found_and_changed_code_is_not_run(
    stored: Path, tmp_path: Path, damage: Callable[[Path], None], expected: set[str]
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(stored, backup)
    try:
        damage(stored)
        found = {finding.what: finding.holds for finding in verify("champion")}
    finally:
        shutil.rmtree(stored)
        shutil.copytree(backup, stored)
    assert {what for what, holds in found.items() if holds is False} == {"files of version 1", *expected}
    assert "the record" in found or found["recorded summaries"] is None


def test_an_environment_lock_that_nobody_registered_is_not_called_checked(
    client: MlflowClient, stored: Path, tmp_path: Path
) -> None:
    true = client.get_model_version("seq2sum", "1").tags["environment_lock_sha256"]
    shutil.move(stored / "artifacts/record/environment.lock", tmp_path / "kept")
    client.delete_model_version_tag("seq2sum", "1", "environment_lock_sha256")
    try:
        assert {finding.what: finding.holds for finding in verify("champion")}["environment lock"] is None
    finally:
        shutil.move(tmp_path / "kept", stored / "artifacts/record/environment.lock")
        client.set_model_version_tag("seq2sum", "1", "environment_lock_sha256", true)


def test_a_hash_that_was_changed_with_the_files_does_not_match_the_ledger_and_the_code_is_not_run(
    client: MlflowClient, stored: Path, tmp_path: Path
) -> None:
    version, code = registry.find_named(client, "1"), stored / "code/seq2sum/summarize.py"
    before = code.read_text()
    try:
        code.write_text(f"{before}\nopen({str(tmp_path / 'owned')!r}, 'w').close()\n")
        changed = registry.content_hash(registry.download(version, tmp_path / "changed"))
        client.set_model_version_tag("seq2sum", "1", "content_sha256", changed)
        found = {finding.what: finding.holds for finding in verify("champion")}
        assert [what for what, holds in found.items() if holds is False] == ["files as in the ledger"]
        assert found["recorded summaries"] is None
        with pytest.raises(UserError, match=r"files were changed, .* \(entry 1 of the ledger has another SHA-256\)"):
            registry.fetch(registry.find_named(client, "1"), tmp_path / "fetched")
    finally:
        code.write_text(before)
        client.set_model_version_tag("seq2sum", "1", "content_sha256", version.tags["content_sha256"])
    assert not (tmp_path / "owned").exists()


def test_a_version_whose_files_are_gone_is_told_with_what_the_ledger_says(
    client: MlflowClient, stored: Path, tmp_path: Path
) -> None:
    shutil.move(stored, tmp_path / "kept")
    try:
        files, *others = verify("champion")
    finally:
        shutil.move(tmp_path / "kept", stored)
    assert (files.what, files.holds) == ("files of version 1", False)
    assert "version 1: its files are gone from the artifact store. Bring them back" in files.detail
    told = {finding.what: finding.holds for finding in others}
    assert told == {
        "the ledger": True,
        "files as in the ledger": True,
        "verdicts in the ledger": None,
        "champion as in the ledger": True,
    }


def test_tags_and_a_description_that_are_not_the_record_s_are_found(client: MlflowClient) -> None:
    version = client.get_model_version("seq2sum", "1")
    true = {key: version.tags[key] for key in ("rouge1", "train_key", "metric_signature")}
    try:
        client.set_model_version_tag("seq2sum", "1", "rouge1", "99.99")
        client.set_model_version_tag("seq2sum", "1", "train_key", "f" * 64)
        client.delete_model_version_tag("seq2sum", "1", "metric_signature")
        client.update_model_version("seq2sum", "1", "# A better model")
        failed = {finding.what: finding.detail for finding in verify("1") if finding.holds is False}
    finally:
        for key, value in true.items():
            client.set_model_version_tag("seq2sum", "1", key, value)
        client.update_model_version("seq2sum", "1", version.description)
    assert failed == {
        "tags as recorded": f"metric_signature is none, but rouge-score:0.1.2 was recorded; "
        f"train_key is {'f' * 64}, but {true['train_key']} was recorded; rouge1 is 99.99, but 40.00 was recorded",
        "description": "differs from the recorded card.md",
    }


def test_a_champion_that_was_named_by_hand_is_told(client: MlflowClient) -> None:
    true = client.get_model_version("seq2sum", "1")
    tags = {key: value for key, value in true.tags.items() if not key.startswith("ledger.")}
    other = client.create_model_version("seq2sum", true.source, true.run_id, tags, description=true.description)
    try:
        assert "champion as in the ledger" not in {finding.what for finding in verify(str(other.version))}
        client.set_registered_model_alias("seq2sum", "champion", other.version)
        for name in ("champion", "1"):
            (failed,) = (finding for finding in verify(name) if finding.holds is False)
            assert failed.what == "champion as in the ledger"
            assert failed.detail.startswith(f"the alias names version {other.version}, the ledger 1: moved by other")
    finally:
        client.set_registered_model_alias("seq2sum", "champion", "1")
        client.delete_model_version("seq2sum", other.version)


def test_a_ledger_that_was_tampered_with_is_found_though_all_files_hold(client: MlflowClient) -> None:
    tag = next(key for key in client.get_model_version("seq2sum", "1").tags if key.startswith("ledger.entry."))
    before = client.get_model_version("seq2sum", "1").tags[tag]
    client.set_model_version_tag("seq2sum", "1", tag, "0" * 64)
    try:
        assert failing() == ["the ledger"]
    finally:
        client.set_model_version_tag("seq2sum", "1", tag, before)


def test_data_whose_bytes_are_others_than_recorded_is_found(client: MlflowClient, published: Path) -> None:
    planted = published / "data/split/train.parquet"
    planted.write_bytes(b"other data")
    try:
        findings = {finding.what: finding for finding in verify("champion")}
    finally:
        planted.unlink()
    failed = [what for what, finding in findings.items() if finding.holds is False]
    assert failed == ["data/split", "data/split/train.parquet"]
    digest = hashlib.md5(b"other data", usedforsecurity=False).hexdigest()
    assert findings["data/split/train.parquet"].detail == f"in the work tree its bytes have the hash {digest}"
