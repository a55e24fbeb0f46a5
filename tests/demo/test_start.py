import socket
from pathlib import Path

import pytest
import typer

from pipeline.demo.__main__ import demo
from seq2sum.summarize import SEARCH_FILE
from tests.demo.served import make_model


def start(port: int = 0, **folders: Path | None) -> int:
    with pytest.raises(typer.Exit) as ended:
        demo(port=port, host="127.0.0.1", allowed_hosts="localhost", votes=Path("votes.db"), **folders)
    return ended.value.exit_code


def test_a_folder_that_holds_no_whole_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(model=tmp_path, challenger=None) == 2
    assert f"{tmp_path / 'model.json'}: not found" in capsys.readouterr().err
    make_model(tmp_path / "whole", seed=1)
    (tmp_path / "whole" / SEARCH_FILE).unlink()
    assert start(model=tmp_path / "whole", challenger=None) == 2
    assert "has no search settings" in capsys.readouterr().err


def test_without_a_champion_the_way_to_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert start(model=None, challenger=None) == 2
    told = capsys.readouterr().err
    assert "No model is registered here" in told
    assert "--model" in told
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert start(port=port, model=tmp_path / "none", challenger=None) == 2
    told = capsys.readouterr()
    assert f"127.0.0.1:{port}: Address already in use" in told.err
    assert "Name another port with --port, as in `make demo" in told.err
    assert "Open" not in told.out
