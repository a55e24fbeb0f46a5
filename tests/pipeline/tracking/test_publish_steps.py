"""What publishing tells while it works."""

from pathlib import Path

import pytest

from pipeline import publish


def test_what_goes_on_is_told_step_by_step(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = publish.read_results()
    publish.publish(results)
    steps = capsys.readouterr().err
    places = [
        steps.index(part) for part in ("publishing to sqlite", "the run: curves", "its record", "sending the model")
    ]
    assert places == sorted(places)
    publish.publish(results)
    steps = capsys.readouterr().err
    assert "the version is registered already" in steps
    assert "sending the model" not in steps
