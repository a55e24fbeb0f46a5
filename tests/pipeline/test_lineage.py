import subprocess
from pathlib import Path

import pytest

from pipeline.lineage import code_tags


def test_params_that_a_run_overrides_are_told_apart_from_changed_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("code.py", "params.yaml", "dvc.lock"):
        Path(name).write_text("committed\n")
    author = ["-c", "user.name=T", "-c", "user.email=t@localhost"]
    for arguments in (["init", "--quiet"], ["add", "-A"], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], check=True)

    def told() -> tuple[str, str]:
        tags = code_tags()
        return tags["git_dirty"], tags["params_changed"]

    Path("dvc.lock").write_text("of this run\n")
    assert told() == ("false", "false")
    Path("params.yaml").write_text("overridden\n")
    assert told() == ("false", "true")
    Path("notes.txt").write_text("of no matter\n")
    Path("pipeline").mkdir()
    assert told() == ("false", "true")
    Path("pipeline/forgotten.py").write_text("imported\n")
    assert told() == ("true", "true")
    Path("pipeline/forgotten.py").unlink()
    Path("code.py").write_text("edited\n")
    assert told() == ("true", "true")
