import json
import os
import pickle  # noqa: TID251 - to be refused
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline import publish
from pipeline.tracking import champion, connection, registry, runs
from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.summarize import Summarizer
from tests.pipeline.tracking.project import (
    REPO,
    ROUGE,
    STEPS,
    TEXTS,
    TRAIN_KEY,
    environment,
    make_scores,
    write_lines,
)

# Runs where nothing of this project can be imported but what the registered version brings along.
LOAD = """
import importlib.util, json, sys
sys.path += sys.argv[2:]
assert importlib.util.find_spec("seq2sum") is None and importlib.util.find_spec("pipeline") is None
import mlflow, pandas
from mlflow.exceptions import MlflowException
model = mlflow.pyfunc.load_model("models:/seq2sum@champion")
frame = pandas.DataFrame({"document": json.loads(sys.argv[1])})
def outcome(frame, **params):
    try:
        return model.predict(frame, params=params).to_dict("list")
    except MlflowException as error:
        return [error.get_http_status_code(), str(error)]
import seq2sum
print(json.dumps({
    "code": seq2sum.__file__,
    "own": outcome(frame),
    "greedy": outcome(frame, num_beams=1, min_tokens=1, max_tokens=2),
    "every": outcome(frame, num_beams=2, min_tokens=2, max_tokens=6, max_words=2, length_penalty=0.0,
                     coverage_penalty=0.5, block_ngrams=2, source_support=True, shortlist=9, risk_samples=3,
                     risk_tokenizer="unicode", risk_seed=4),
    "bad param": outcome(frame, num_beams=0),
    "bad kind": outcome(frame, source_support="yes"),
    "empty": outcome(pandas.DataFrame({"document": ["text", "  "]})),
    "null": outcome(pandas.DataFrame({"document": ["text", None]})),
    "number": outcome(pandas.DataFrame({"document": [1.5]})),
    "no column": outcome(pandas.DataFrame({"text": ["text"]})),
}))
"""


@pytest.fixture
def client(published: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(published)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{published}/mlflow.db")
    return connection.connect()


def contents(client: MlflowClient) -> dict[str, Any]:
    """All that a second publishing could double."""
    (run,) = client.search_runs([client.get_experiment_by_name("seq2sum").experiment_id])
    return {
        "points": {
            key: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        },
        "params": run.data.params,
        "inputs": sorted((one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs),
        "ended": (run.info.status, run.info.start_time, run.info.end_time),
        "versions": registry.versions(client),
        "models": [model.model_id for model in client.search_logged_models([run.info.experiment_id])],
    }


def test_the_run_holds_curves_scores_params_inputs_files_and_origin(client: MlflowClient, published: Path) -> None:
    found = contents(client)
    for key, factor in (("train/loss", 1), ("validation/loss", 2)):
        assert found["points"][key] == [(step, factor / step) for step in STEPS]
    assert [found["points"][f"test/rouge2{end}"] for end in ("", "/low", "/high")] == [[(50, v)] for v in (40, 39, 41)]
    assert found["points"]["test/rouge1_over_lead"] == [(50, 6.0)]
    assert found["points"]["training/tokens_per_second"] == [(50, 1000.0)]
    assert found["params"]["train.model.copy_source"] == "true"
    assert found["params"]["ingest.max_pairs"] == "null"
    assert found["params"]["evaluate.rouge.tokenizer"] == "rouge"
    assert found["inputs"] == [("data/split/train.parquet", "t" * 32), ("data/split/val.parquet", "v" * 32)]
    status, start, end = found["ended"]
    assert status == "FINISHED"
    assert end - start >= 30_000
    (run,) = client.search_runs([client.get_experiment_by_name("seq2sum").experiment_id])
    assert run.data.tags["train_key"] == TRAIN_KEY
    assert {"dvc_lock_sha256", "environment_sha256", "cpu", "cpu_cores", "memory_gib", "gpu"} <= set(run.data.tags)
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"params.yaml", "dvc.lock", "environment.txt", "reports"} <= names
    reports = {file.path for file in client.list_artifacts(run.info.run_id, "reports")}
    assert reports == {"reports/scores.json", "reports/hypotheses.parquet"}


def test_publishing_again_changes_nothing(client: MlflowClient) -> None:
    before = contents(client)
    results = publish.read_results()
    again = publish.publish(results)
    assert contents(client) == before
    assert not again.is_new
    assert (again.version.number, again.version.aliases) == ("1", ("champion",))
    assert "nothing new" in publish.report(results, again)


def test_of_two_that_publish_the_same_at_once_one_version_stays(
    client: MlflowClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = registry.add_version

    def add_after_another(*arguments: Any) -> str:
        add(*arguments)
        return add(*arguments)

    monkeypatch.setattr(registry, "add_version", add_after_another)
    assert publish.publish(publish.read_results()).version.number == "1"
    assert [(one.number, one.aliases) for one in registry.versions(client)] == [("1", ("champion",))]


def test_a_training_repeated_in_another_time_is_the_same_version(project: Path, published: Path) -> None:
    shutil.copytree(published, project, dirs_exist_ok=True)
    key = publish.read_results().publish_key
    slower = make_scores()
    slower["train"]["wall_seconds"] = 99.0
    (project / "reports/scores.json").write_text(json.dumps(slower))
    assert publish.read_results().publish_key == key
    (project / "reports/scores.json").write_text(json.dumps(make_scores(39.5)))
    assert publish.read_results().publish_key != key


def test_the_model_loads_and_answers_without_this_project(client: MlflowClient, published: Path) -> None:
    environ = {key: value for key, value in environment("").items() if key != "PYTHONPATH"}
    # Without the site module there are no .pth files, so that not even an editable install of this project is seen.
    packages = [path for path in sys.path if path.endswith("site-packages")]
    command = [sys.executable, "-P", "-S", "-c", LOAD, json.dumps(TEXTS), *packages]
    done = subprocess.run(command, cwd=published, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert str(published / "mlartifacts") in answers["code"]
    summarizer = Summarizer.load(published / "models/summarizer")
    assert summarizer.search is not None
    for name, search in {
        "own": summarizer.search,
        "greedy": summarizer.search.model_copy(update={"beam_size": 1, "min_tokens": 1, "max_tokens": 2}),
        "every": SearchParams(
            beam_size=2,
            min_tokens=2,
            max_tokens=6,
            max_words=2,
            length_penalty=0.0,
            coverage_penalty=0.5,
            block_ngrams=2,
            source_support=True,
            shortlist=9,
            risk_samples=3,
            risk_tokenizer="unicode",
            risk_seed=4,
        ),
    }.items():
        summaries = summarizer.summarize(TEXTS, search)
        assert answers[name]["summary"] == [summary.text for summary in summaries]
        assert answers[name]["score"] == pytest.approx([summary.score for summary in summaries])
        assert answers[name]["truncated"] == [False, False]
    assert answers["own"]["summary"] != answers["greedy"]["summary"]
    for case, words in {
        "bad param": "num_beams",
        "bad kind": "source_support",
        "empty": "Row 1",
        "null": "Row 1",
        "number": "document",
        "no column": "document",
    }.items():
        status, message = answers[case]
        assert (status, words in message) == (400, True), (case, message)


@pytest.fixture
def planted(client: MlflowClient, tmp_path: Path) -> Path:
    """A version turned into a pickle, as one would be whose hashes were changed along with its files."""
    source = client.get_model_version_by_alias("seq2sum", "champion").source
    folder = tmp_path / "planted"
    shutil.copytree(client.get_logged_model(source.removeprefix("models:/")).artifact_location, folder)
    described = yaml.safe_load((folder / "MLmodel").read_text())
    del described["flavors"]["python_function"]["model_code_path"]
    described["flavors"]["python_function"]["python_model"] = "python_model.pkl"
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Planted(tmp_path / "owned")))
    return folder


def test_a_version_that_was_turned_into_a_pickle_is_not_loaded(planted: Path, tmp_path: Path) -> None:
    import mlflow

    with pytest.raises(MlflowException, match="pickle is disallowed"):
        mlflow.pyfunc.load_model(str(planted))
    assert not (tmp_path / "owned").exists()


def test_a_plain_process_refuses_it_with_the_environment_that_the_docs_name(planted: Path, tmp_path: Path) -> None:
    (setting,) = set(re.findall(r"export (MLFLOW_\w+=\w+)", (REPO / "docs/serving.md").read_text()))
    command = f"{sys.executable} -c 'import sys, mlflow; mlflow.pyfunc.load_model(sys.argv[1])' {planted}"
    own = environment("")

    def stderr_of(setting: str) -> str:
        run = ["bash", "-c", f"{setting} {command}"]
        return subprocess.run(run, env=own, capture_output=True, text=True, check=False).stderr

    assert "pickle is disallowed" in stderr_of(setting)
    assert not (tmp_path / "owned").exists()
    # MLflow's default: were it safe, the setting could go.
    stderr_of("")
    assert (tmp_path / "owned").exists()


class Planted:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_the_version_says_what_it_needs_and_where_it_comes_from(client: MlflowClient) -> None:
    version = client.get_model_version_by_alias("seq2sum", "champion")
    assert {**dict.fromkeys(ROUGE, "40.00"), "train_key": TRAIN_KEY}.items() <= version.tags.items()
    assert "| model " in version.description
    folder = Path(client.get_logged_model(version.source.removeprefix("models:/")).artifact_location)
    requirements = (folder / "requirements.txt").read_text().split()
    assert all(line.count("==") == 1 and "+" not in line for line in requirements)
    assert {"torch", "tokenizers", "safetensors"} <= {line.partition("==")[0] for line in requirements}
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pt", ".bin"}]
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in model.metrics}["test/rouge1"] == 40.0


def test_the_champion_is_the_same_by_either_way(
    client: MlflowClient, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    expected = files(published / "models/summarizer")
    embedded = champion._embedded_folder(registry.CHAMPION)
    assert embedded is not None
    downloaded = champion._downloaded_folder(registry.CHAMPION, str(tmp_path))
    assert files(embedded) == files(downloaded) == expected
    assert files(embedded.parent / "record") == files(downloaded.parent / "record")
    monkeypatch.setenv("MLFLOW_MODEL_NAME", "another")
    with pytest.raises(UserError, match=r"No champion of 'another'.*make run"), champion.champion_folder():
        pass


def test_without_a_registry_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    with pytest.raises(UserError, match="make run"), champion.champion_folder():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hangs", [False, True])
def test_a_server_that_is_not_there_or_hangs_is_told_soon(
    project: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not hangs:
            listener.close()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 3.0)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        began = time.monotonic()
        with pytest.raises(UserError, match=r"MLflow at http://\*\*\*@127") as error:
            publish.publish(publish.read_results())
        assert time.monotonic() - began < 10
        assert "secret" not in str(error.value)


def test_points_written_before_the_kill_of_a_publish_are_not_sent_twice(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publish that ends between its steps, wherever, is completed by the next one."""
    results = publish.read_results()

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for owner, name in (
        (publish.runs, "log_inputs"),
        (publish, "_upload_files"),
        (publish.championship, "welcome"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, broken)
            with pytest.raises(KeyboardInterrupt):
                publish.publish(results)
    done = publish.publish(results)
    found = contents(connection.connect())
    assert [step for step, _ in found["points"]["train/loss"]] == list(STEPS)
    assert len(found["versions"]) == len(found["models"]) == 1
    assert done.version.aliases == ("champion",)
    assert found["ended"][0] == "FINISHED"


def test_a_journal_line_more_is_one_point_more(project: Path) -> None:
    publish.publish(publish.read_results())
    lines = [*map(json.loads, (project / "reports/journal.jsonl").read_text().splitlines())]
    write_lines(project / "reports/journal.jsonl", [*lines, {"step": 60, "values": {"train/loss": 0.5}}])
    publish.publish(publish.read_results())
    found = contents(connection.connect())
    assert found["points"]["train/loss"] == [*((step, 1 / step) for step in STEPS), (60, 0.5)]
    assert len(found["versions"]) == 1
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_version_names_the_machine_that_trained_and_what_it_cost(project: Path) -> None:
    client = connection.connect()
    run_id = runs.find_or_make_run(client, TRAIN_KEY, 0)
    trained_on = {"gpu": "one of four", "threads": "7"}
    runs.set_tags(client, run_id, trained_on)
    version = publish.publish(publish.read_results()).version
    tags = client.get_model_version("seq2sum", version.number).tags
    assert {key: tags[key] for key in trained_on} == trained_on
    folder = registry.download(registry.find_named(client, version.number), project / "fetched")
    origin = json.loads((folder / "artifacts/record/provenance.json").read_text())
    assert {key: origin[key] for key in trained_on} == trained_on
    # The training of 30 seconds had two devices.
    assert client.get_run(run_id).data.metrics["training/device_seconds"] == 60.0
