"""What a person sees in a terminal: columns that line up, and progress on what takes long."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pipeline.terminal import columns, display_width
from tests.pipeline.tracking.project import REPO, TEXTS, environment

ROWS = 30
CLI = [sys.executable, "-c", "from pipeline.cli import app; app()"]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("museum", 6),
        ("博物館", 6),
        ("ハーバー", 8),
        ("ﾊｰﾊﾞｰ", 5),
        ("항구", 4),
        ("café", 4),
        ("cafe\u0301", 4),
        ("Ａ", 2),
    ],
)
def test_the_width_of_a_text_is_that_on_a_terminal(text: str, width: int) -> None:
    assert display_width(text) == width


def test_columns_line_up_whatever_the_script() -> None:
    rows = [("word", "share", "from"), ("博物館", "80%", "港"), ("opens", "7%", "새 항구"), ("cafe\u0301", "100%", "x")]
    lines = columns(rows).splitlines()
    starts = [[display_width(line[: line.index(cell)]) for cell in row] for line, row in zip(lines, rows, strict=True)]
    assert starts == [[0, 8, 15]] * 4


def told(arguments: list[str], folder: Path) -> str:
    """Standard error of the command where that is a terminal and standard output is none."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    own = environment("") | {"TERM": "xterm", "SEQ2SUM_DEVICE": "cpu", "SEQ2SUM_THREADS": "1"}
    done = subprocess.run([*CLI, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=theirs, env=own, check=False)
    text = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0, text
    return text


def test_explain_and_init_show_progress_on_a_terminal(model: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes((REPO / "params.yaml").read_bytes())
    rows = [{"document": TEXTS[0], "summary": "ferry"}] * ROWS
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert f"{ROWS}/{ROWS}" in told(["explain", "--summary", "ferry", "--model", str(model), "a.jsonl"], tmp_path)
    assert f"{ROWS} pairs" in told(["init", "--force", "a.jsonl"], tmp_path)
