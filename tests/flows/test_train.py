"""What the tasks of `train` do with the commands that they run; `test_factory` has whole runs."""

from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from pipeline.flows import train

# Says yes, and how it was called.
GATE = """
import json, sys
print(json.dumps({"decision": "promote", "challenger": sys.argv[1], "champion": "1", "reasons": sys.argv[2:],
                  "report": None}, indent=2))
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree whose commands the tests write; the run has no page."""
    (tmp_path / "pipeline").mkdir()
    monkeypatch.setattr(train, "show_verdict", lambda *_: None)
    return tmp_path


def judged(tree: Path, gate: str) -> dict[str, Any]:
    (tree / "pipeline/promote.py").write_text(gate)
    with disable_run_logger():
        return train.judge.fn("2", tree, {}, None)


def test_the_flows_gate_is_told_that_no_one_decides(tree):
    promotion = judged(tree, GATE)
    assert (promotion["challenger"], promotion["reasons"]) == ("2", ["--unattended"])
