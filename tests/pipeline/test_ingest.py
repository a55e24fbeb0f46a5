import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import paths
from pipeline.stages import ingest, locate
from pipeline.stages.runner import run_stage
from seq2sum.data.pairs import Pair, read_pairs
from seq2sum.data.sources.located import locate as locating
from seq2sum.data.sources.located import locate_word_vectors
from seq2sum.data_config import DebianSource
from seq2sum.errors import UserError
from seq2sum.params_file import load_params
from tests.data.archive import Entry, serve, write_archive

PARAMS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(name: str, num_rows: int) -> None:
    rows = [{"text": f"document {number} of {name}", "title": f"summary {number}"} for number in range(num_rows)]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_params(source_paths: dict[str, list[str]], max_pairs: int | None = None) -> None:
    source: dict[str, Any] = {"kind": "files", "paths": source_paths}
    source |= {"document": "text", "summary": "title", "id": None, "group": None}
    section = {"ingest": {"source": source, "max_pairs": max_pairs}}
    paths.PARAMS.write_text(yaml.safe_dump(PARAMS | section), encoding="utf-8")


def run_both() -> list[Pair]:
    for stage in (locate, ingest):
        stage.run(load_params(paths.PARAMS))
    return list(read_pairs(paths.RAW_PAIRS))


def test_files_become_a_table_and_a_card() -> None:
    write_rows("a.jsonl", 3)
    write_params({"all": ["a.jsonl"]})
    assert [pair.document for pair in run_both()] == [f"document {number} of a.jsonl" for number in range(3)]
    card = json.loads(paths.DATA_CARD.read_text(encoding="utf-8"))
    state = json.loads(paths.SOURCE_STATE.read_text(encoding="utf-8"))
    assert card["num_pairs"] == 3
    assert card["num_dropped"] == {}
    assert card["licence"]
    assert [each["sha256"] for each in card["fetched"]] == [each["sha256"] for each in state["files"]]


@pytest.mark.parametrize(("max_pairs", "num_pairs"), [(None, 5 + 4 + 1), (2, 2 + 2 + 1)])
def test_a_limit_holds_for_each_split(max_pairs: int | None, num_pairs: int) -> None:
    for name, num_rows in (("train", 5), ("val", 4), ("test", 1)):
        write_rows(f"{name}.jsonl", num_rows)
    write_params({name: [f"{name}.jsonl"] for name in ("train", "val", "test")}, max_pairs)
    pairs = run_both()
    assert len(pairs) == num_pairs
    assert {pair.split for pair in pairs} == {"train", "val", "test"}


def test_the_same_files_give_the_same_bytes() -> None:
    write_rows("a.jsonl", 500)
    write_params({"all": ["*.jsonl"]})
    written = []
    for _ in range(2):
        run_both()
        files = (paths.SOURCE_STATE, paths.RAW_PAIRS, paths.DATA_CARD)
        written.append([path.read_bytes() for path in files])
    assert written[0] == written[1]


def change_content() -> None:
    write_rows("a.jsonl", 4)


def add_file() -> None:
    write_rows("b.jsonl", 1)


def name_other_files() -> None:
    write_rows("c.json", 1)
    write_params({"all": ["c.json"]})


@pytest.mark.parametrize("change", [change_content, add_file, name_other_files])
def test_a_source_that_changed_after_it_was_located_is_refused(change: Callable[[], None]) -> None:
    write_rows("a.jsonl", 3)
    write_params({"all": ["*.jsonl"]})
    locate.run(load_params(paths.PARAMS))
    change()
    with pytest.raises(UserError, match=r"no longer those of data/source\.json\. Run the pipeline again"):
        ingest.run(load_params(paths.PARAMS))
    assert not paths.RAW_PAIRS.parent.exists()


def test_ingest_without_locate() -> None:
    write_rows("a.jsonl", 3)
    write_params({"all": ["*.jsonl"]})
    with pytest.raises(UserError, match=r"data/source\.json: not found\. Run the stage `locate` first"):
        ingest.run(load_params(paths.PARAMS))


def test_bad_input_shows_one_screen_and_leaves_the_earlier_table(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows("a.jsonl", 3)
    write_params({"all": ["a.jsonl"]})
    before = run_both()
    with Path("a.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{broken\n")
    locate.run(load_params(paths.PARAMS))
    with pytest.raises(SystemExit) as caught:
        run_stage("ingest", ingest.run)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "ingest failed: a.jsonl, line 4: not JSON" in message
    assert "Traceback" not in message
    assert list(read_pairs(paths.RAW_PAIRS)) == before
    assert sorted(path.name for path in paths.RAW_PAIRS.parent.parent.iterdir()) == [
        "raw",
        "source.json",
        "word_vectors.json",
    ]


def test_a_source_that_yields_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An archive whose packages are all stand-ins."""
    entries = [Entry("old", "old", "transitional package", [" Gone."])]
    write_archive(tmp_path / "archive", entries)
    paths.PARAMS.write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    for name in ("http_proxy", "HTTP_PROXY", "SEQ2SUM_DEBIAN_SUITE"):
        monkeypatch.delenv(name, raising=False)
    with serve(tmp_path / "archive") as server:
        monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", server.url)
        with pytest.raises(UserError, match=r"the source yields no pairs\. Mend ingest\.source"):
            run_both()
    assert not paths.RAW_PAIRS.parent.exists()


def test_another_suite_of_a_mirror_is_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    source = DebianSource(kind="debian", min_boilerplate_sources=5)
    found = [locating(source)]
    monkeypatch.setenv("SEQ2SUM_DEBIAN_MIRROR", "https://mirror.example")
    found.append(locating(source))
    monkeypatch.setenv("SEQ2SUM_DEBIAN_SUITE", "testing")
    found.append(locating(source))
    assert [state.get("suite") for state in found] == [None, "stable", "testing"]


def test_locating_stays_cheap() -> None:
    paths.PARAMS.write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    script = (
        "import sys; from pipeline.stages import locate; from pipeline.stages.runner import run_stage;"
        "run_stage('locate', locate.run); print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": ""}
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert not {"pandas", "pyarrow", "numpy", "datasets", "torch", "urllib3", "tqdm"} & set(child.stdout.split())
    assert json.loads(paths.SOURCE_STATE.read_text(encoding="utf-8")) == {"kind": "debian"}


def test_word_vectors_are_located_by_their_content(tmp_path: Path) -> None:
    file = tmp_path / "words.vec"
    file.write_text("lamp 1 2\n")
    located = locate_word_vectors(str(file))
    assert located["num_bytes"] == 9
    file.write_text("lamp 1 3\n")
    assert locate_word_vectors(str(file))["sha256"] != located["sha256"]
    assert locate_word_vectors(None) == {}
    with pytest.raises(UserError, match=r"encode\.word_vectors: no file 'none\.vec' .*params\.yaml"):
        locate_word_vectors("none.vec")
