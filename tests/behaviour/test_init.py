"""The three lines for a corpus of one's own: a CSV file, `seq2sum init`, `dvc repro`."""

import csv
import json
import random
from pathlib import Path

from tests.behaviour.corpus import made_up_pair, make_project, set_params
from tests.behaviour.test_pipeline import commit, repro, run_module, stages_run


def test_a_csv_file_becomes_params_that_run_through(tmp_path: Path) -> None:
    make_project(tmp_path, 1)
    commit(tmp_path)
    rng = random.Random(2)
    rows = [made_up_pair(rng) for _ in range(120)]
    with (tmp_path / "tools.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["text", "title"])
        writer.writeheader()
        writer.writerows(rows)
    status, output = run_module(tmp_path, "pipeline.cli", "init", "tools.csv")
    assert status == 0, output
    # As chosen but for the time that it takes.
    few = {"train.max_steps": 20, "train.pretrain.max_steps": 10, "train.reward.max_steps": 10,
           "evaluate.search.risk_samples": 0, "evaluate.search.beam_size": 2,
           "evaluate.bootstrap_samples": 100}  # fmt: skip
    set_params(tmp_path, few)
    assert stages_run(repro(tmp_path))[-1] == "report"
    scores = json.loads((tmp_path / "reports/scores.json").read_text())
    assert scores["num_pairs"] > 0
    assert scores["unread_share"] == 0.0
