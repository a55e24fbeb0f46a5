import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.lineage import flat
from pipeline.preset import apply_preset
from pipeline.sizing import Corpus, choices, gate_outlook, seconds
from seq2sum.data.tokenizer import Tokenizer
from seq2sum.gate.evidence import weigh_trials
from seq2sum.gate.population import read_population
from seq2sum.params_file import load_params

ROOT = Path(__file__).parents[2]
NOUNS = ["river", "stone", "bridge", "north", "quiet", "market", "corner", "lamp", "winter", "road", "garden", "gate"]


def texts(num_pairs: int, num_words: int = 40) -> list[tuple[str, str]]:
    rng = np.random.default_rng(1)
    return [
        (" ".join(rng.choice(NOUNS, num_words)), " ".join(rng.choice(NOUNS, rng.integers(2, 6))))
        for _ in range(num_pairs)
    ]


def corpus(num_pairs: int, num_words: int = 40) -> Corpus:
    documents, summaries = zip(*texts(50, num_words), strict=True)
    return Corpus(num_pairs, documents, summaries)


def chosen(of: Corpus) -> dict[str, object]:
    return {choice.key: choice.value for choice in choices(of, batch_tokens=4000)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository that holds params.yaml and nothing else; beside it a CSV file."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    with (tmp_path / "mails.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["number", "body", "subject"])
        writer.writerows((number, *pair) for number, pair in enumerate(texts(30)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


def test_params_are_written_with_reasons_and_every_other_line_stays(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    done = init("--source", "files", "--documents", "body", "--summaries", "subject", "mails.csv")
    assert done.exit_code == 0, done.output
    params = load_params(project / "params.yaml")
    assert params.ingest.source.model_dump() == {
        "kind": "files", "paths": {"all": ["mails.csv"]}, "document": "body", "summary": "subject",
        "id": None, "group": None,
    }  # fmt: skip
    after = (project / "params.yaml").read_text()
    comments = [line for line in before.splitlines() if line.startswith("#")]
    assert [line for line in after.splitlines() if line.startswith("#") and not line.startswith("#: ")] == comments
    assert f"#:   train.max_steps: {params.train.max_steps}  # about" in after
    assert params.validate_.seed == yaml.safe_load(before)["validate"]["seed"]
    assert "30 pairs: enough to see it run" in done.stdout


def test_a_path_out_of_the_folder_is_kept_as_a_whole_one(project: Path) -> None:
    done = init("--documents", "body", "--summaries", "subject", f"../{project.name}/mails.csv")
    assert done.exit_code == 0, done.output
    assert load_params(project / "params.yaml").ingest.source.paths == {"all": [str(project / "mails.csv")]}


def test_splits_of_ones_own_stay_apart_and_only_train_sizes_the_network(project: Path) -> None:
    for name, number in (("val", 4), ("test", 7)):
        (project / f"{name}.csv").write_text("body,subject\n" + "a document,a subject\n" * number + "no subject,\n")
    done = init("--json", "mails.csv", "--val", "val.csv", "--test", "test.csv")
    assert done.exit_code == 0, done.output
    paths = load_params(project / "params.yaml").ingest.source.paths
    assert paths == {"train": ["mails.csv"], "val": ["val.csv"], "test": ["test.csv"]}
    told = json.loads(done.stdout)
    assert told["num_pairs"] == 30
    assert "About 7 test pairs" in told["gate"]
    assert "set these for mails.csv; val: val.csv; test: test.csv (30 pairs):" in (project / "params.yaml").read_text()


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_held_out_file_that_does_not_fit_is_told_at_once(project: Path, split: str) -> None:
    before = (project / "params.yaml").read_bytes()
    (project / "other.csv").write_text("body,title\na document,a subject\n")
    done = init("mails.csv", f"--{split}", "other.csv")
    assert (done.exit_code, (project / "params.yaml").read_bytes()) == (2, before)
    assert "other.csv" in done.stderr
    assert "'subject'" in done.stderr


def test_rows_without_document_or_summary_are_counted_and_told(project: Path) -> None:
    assert "left out" not in init("mails.csv").stdout
    with (project / "mails.csv").open("a", encoding="utf-8") as stream:
        stream.write('30,,a subject\n31,a body,\n32," ",\n33,"",another\n')
    done = init("--force", "mails.csv")
    assert "30 pairs\nwithout document or summary, and so left out: 4 rows (11.8%)\n" in done.stdout
    found = json.loads(init("--force", "--json", "mails.csv").stdout)
    assert (found["num_pairs"], found["num_textless"]) == (30, 4)


def test_another_call_replaces_the_reasons_and_asks_before_it_writes_over_changes(project: Path) -> None:
    assert init("mails.csv").exit_code == 0
    first = (project / "params.yaml").read_bytes()
    done = init("mails.csv")
    assert (done.exit_code, "git does not have" in done.stderr) == (2, True)
    assert (project / "params.yaml").read_bytes() == first
    assert init("--force", "mails.csv").exit_code == 0
    assert (project / "params.yaml").read_bytes() == first


def test_what_an_earlier_call_or_a_person_set_is_set_anew_and_told_and_the_rest_stays(project: Path) -> None:
    (project / "short.jsonl").write_text(
        "\n".join(json.dumps({"text": document, "title": summary}) for document, summary in texts(30, num_words=6))
    )
    assert init("short.jsonl").exit_code == 0
    path = project / "params.yaml"
    assert load_params(path).validate_.min_document_words == 6
    path.write_text(
        path.read_text().replace("max_pairs: null", "max_pairs: 7").replace("val_share: 0.05", "val_share: 0.2")
    )
    done = init("--force", "mails.csv")
    params = load_params(path)
    assert (params.ingest.max_pairs, params.validate_.min_document_words, params.split.val_share) == (None, 15, 0.2)
    told = [line.split() for line in done.stdout.splitlines()]
    assert ["ingest.max_pairs", "all", "was", "7"] in [words[:4] for words in told]
    assert ["validate.min_document_words", "15", "was", "6"] in [words[:4] for words in told]
    assert "All other values stay" in done.stdout
    again = json.loads(init("--force", "--json", "mails.csv").stdout)
    assert all(choice["replaced"] is None for choice in again["choices"])


def test_a_preset_takes_the_reasons_of_the_values_that_it_changes(project: Path) -> None:
    assert init("mails.csv").exit_code == 0
    path = project / "params.yaml"
    before = path.read_text().splitlines()
    changes = apply_preset(ROOT / "presets/full.yaml", path, force=True)
    changed = {change.partition(":")[0] for change in changes}
    after = path.read_text().splitlines()
    gone = {line.split()[1].rstrip(":") for line in before if line.startswith("#:") and line not in after}
    reasons = {line.split()[1].rstrip(":") for line in before if line.startswith("#:   ")}
    assert gone == changed & reasons
    assert {"train.max_steps", "train.model.embedding_size"} <= gone
    assert "ingest.max_pairs" in reasons - gone
    assert load_params(path).ingest.source.model_dump()["paths"] == {"all": ["mails.csv"]}


def test_a_trial_has_a_small_budget_and_the_next_call_the_whole_one(project: Path) -> None:
    told = init("--trial", "mails.csv").stdout
    trial = load_params(project / "params.yaml")
    assert (trial.ingest.max_pairs, trial.train.max_steps, trial.train.pretrain.max_steps) == (1000, 200, 200)
    assert "for a trial" in told
    assert "then, for all pairs: the same command with --force and without --trial" in told
    assert "About 3 test pairs: the first version becomes champion, but no other will take over" in told
    assert init("--force", "mails.csv").exit_code == 0
    whole = load_params(project / "params.yaml")
    assert whole.ingest.max_pairs is None
    assert whole.train.max_steps > 200
    assert "About 3 test pairs" in json.loads(init("--force", "--json", "mails.csv").stdout)["gate"]


@pytest.mark.parametrize(
    ("num_test", "most", "told"),
    [
        (3_000, 100, r"About 100 test pairs: .* wants 200 \(promote.min_pairs\)\. Without --trial .* 3,000\.$"),
        (50, 100, r"About 50 test pairs: .* no other will take over, .* wants 200 \(promote.min_pairs\)\.$"),
        (199, None, r"About 199 test pairs: .* wants 200 \(promote.min_pairs\)\.$"),
        (200, None, r"About 200 test pairs: .* wants 200 .* can prove gains .* end as insufficient_data\.$"),
        (3_000, None, r"About 3,000 test pairs: .* wants 200 .* can prove gains from about 0\.\d .* end as keep\.$"),
    ],
)
def test_it_is_told_before_the_training_what_the_gate_can_tell(num_test: int, most: int | None, told: str) -> None:
    promote = load_params(ROOT / "params.yaml").promote
    assert re.match(told, gate_outlook(num_test, most, promote))


def test_the_gain_that_is_told_is_the_one_that_the_gate_finds_with_so_many_pairs() -> None:
    """By the recorded scores of two trainings, of which as many are drawn as there would be test pairs."""
    promote = load_params(ROOT / "params.yaml").promote
    population = read_population(ROOT / "benchmarks/gate_population.parquet")
    rows = np.random.default_rng(1).choice(len(population["first"].num_words), (1, 400), replace=False)
    (evidence,) = weigh_trials(population["first"].rows(rows), population["second"].rows(rows), promote)
    told = re.search(r"about ([\d.]+) points", gate_outlook(400, None, promote))
    assert told
    assert float(told[1]) == pytest.approx(evidence.rouge["rouge1"].detectable, rel=0.15)


def test_columns_are_told_by_name_or_length_and_globs_by_their_files(project: Path) -> None:
    (project / "more").mkdir()
    lines = [json.dumps({"short": summary, "long": document}) for document, summary in texts(20)]
    (project / "more/a.jsonl").write_text("\n".join(lines))
    found = json.loads(init("--json", "more/**/*.jsonl").stdout)
    assert (found["source"]["document"], found["source"]["summary"]) == ("long", "short")
    assert found["num_pairs"] == 20
    subprocess.run(["git", "checkout", "-q", "params.yaml"], cwd=project, check=True)
    assert "found by their names" in init("--id", "number", "mails.csv").stdout
    assert load_params(project / "params.yaml").ingest.source.id == "number"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.csv"], "gone.csv: no such file"),
        (["mails.csv", "gone*.csv"], "seq2sum: gone*.csv: no such file"),
        (["data/"], "seq2sum: data/ is a folder: name its files, such as data/*.csv."),
        (["mails.csv", "--test", "data"], "seq2sum: data is a folder: name its files, such as data/*.csv."),
        (["--documents", "text", "--summaries", "subject", "mails.csv"], "no column 'text'"),
        (["--summaries", "subject", "--documents", "empty", "bad.csv"], "no row has text in both"),
        (["--documents", "body", "--summaries", "body", "mails.csv"], "'body' is named for the documents and for"),
        (
            ["--documents", "number", "mails.csv"],
            "'number' is no column of texts: 100% of its cells hold no letter, such as '0'. Name another with "
            "--documents.",
        ),
        (["--documents", "body", "--summaries", "day", "days.csv"], "'2025-01-01'. Name another with --summaries."),
        (["--id", "subject", "bad.csv", "--documents", "text", "--summaries", "subject"], "Make the ids unique"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(project: Path, arguments: list[str], message: str) -> None:
    (project / "data").mkdir()
    (project / "days.csv").write_text("day,body\n" + "2025-01-01,some text\n" * 3 + "1st of May,some text\n" * 2)
    (project / "bad.csv").write_text("text,subject,empty\nsome text,a,\nother text,a,\n")
    before = (project / "params.yaml").read_bytes()
    done = init(*arguments)
    assert (done.exit_code, done.stdout, message in done.stderr) == (2, "", True), done.stderr
    assert (project / "params.yaml").read_bytes() == before


def test_a_column_with_some_cells_of_numbers_is_one_of_texts(project: Path) -> None:
    (project / "rooms.csv").write_text("body,title\n" + "Some text of a room,101\n" * 2 + "Some text,A room\n" * 3)
    assert init("rooms.csv").exit_code == 0


def test_documents_that_are_hardly_longer_than_their_summaries_are_told(project: Path) -> None:
    assert "longer than their summaries" not in init("mails.csv").stdout
    done = init("--force", "--documents", "subject", "--summaries", "body", "mails.csv")
    assert done.exit_code == 0, done.output
    assert re.search(r"are no longer than their summaries: \d\d and 2\d\d characters in the median", done.stdout)
    (project / "alike.csv").write_text("body,title\n" + "Some text of a room,Text of a room\n" * 3)
    warning, *_ = json.loads(init("--force", "--json", "alike.csv").stdout)["warnings"]
    assert "hardly longer than their summaries: 19 and 14 characters" in warning


def test_a_small_corpus_gets_a_smaller_network_more_dropout_and_more_pretraining_than_a_large_one() -> None:
    sizes = [chosen(corpus(number)) for number in (1_000, 8_000, 30_000, 200_000)]
    embeddings = [size["train.model.embedding_size"] for size in sizes]
    assert embeddings == sorted(embeddings)
    assert embeddings[0] < embeddings[1] < embeddings[3]
    assert sizes[1]["train.model.dropout"] > sizes[2]["train.model.dropout"]
    assert [size["train.reward.max_steps"] > 0 for size in sizes] == [True, True, False, False]
    shares = [size["train.pretrain.max_steps"] / size["train.max_steps"] for size in sizes]
    assert shares == sorted(shares, reverse=True)
    pieces = [size["train_tokenizer.vocab_size"] for size in sizes]
    assert pieces == sorted(pieces)


def test_the_most_and_fewest_steps_are_those_that_the_page_promises() -> None:
    page = (ROOT / "docs/own-corpus.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `train\.max_steps` \|(.*)\|$", page, flags=re.MULTILINE)
    promised = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) steps", row)]
    found = [chosen(corpus(num_pairs))["train.max_steps"] for num_pairs in (14_999, 1_000_000, 30)]
    assert found == promised


def test_lengths_cover_all_but_the_longest_texts() -> None:
    of = corpus(30_000, num_words=60)
    values = chosen(of)
    tokenizer = Tokenizer.train([*of.documents, *of.summaries], values["train_tokenizer.vocab_size"], 2)
    lengths = np.array([len(ids) for ids in tokenizer.encode_batch(of.documents)])
    assert (lengths <= values["encode.max_source_tokens"]).mean() >= 0.95
    assert values["encode.max_source_tokens"] < lengths.max() + 50
    assert values["evaluate.search.max_tokens"] == values["encode.max_target_tokens"]


def test_short_documents_and_other_scripts_are_noticed() -> None:
    assert chosen(corpus(30_000, num_words=6))["validate.min_document_words"] == 6
    assert chosen(corpus(30_000))["validate.min_document_words"] == 15
    cyrillic = Corpus(30_000, ["Новый мост открыт для всех жителей города и гостей"] * 9, ["Новый мост"] * 9)
    assert chosen(cyrillic)["evaluate.rouge.tokenizer"] == "unicode"
    assert chosen(cyrillic)["evaluate.search.risk_tokenizer"] == "unicode"


def test_the_time_estimate_is_that_of_the_measured_runs() -> None:
    """Of both presets on the default corpus in benchmarks/quality.json, within a third."""
    rows = json.loads((ROOT / "benchmarks/quality.json").read_text(encoding="utf-8"))
    measured = [row for row in rows if row["corpus"] == "debian" and not row["changed_params"]]
    assert {row["preset"] for row in measured} == {"default", "full"}
    for row in measured:
        preset = flat(yaml.safe_load((ROOT / f"presets/{row['preset']}.yaml").read_text(encoding="utf-8")))
        as_run = [
            choice._replace(value=float(preset.get(choice.key, choice.value)))
            for choice in choices(corpus(30_000), 4000)
            if isinstance(choice.value, int | float)
        ]
        assert seconds(as_run, 4000) == pytest.approx(row["train_seconds"], rel=1 / 3)
