"""Each flow as a person starts it here."""

import importlib
import re
import sys
from typing import Any

import pytest
import yaml
from prefect import Flow

from tests.behaviour.corpus import ROOT

MONITORED = {
    "batch": "summaries", "alpha": 0.01, "distance": 0.2, "min_rows": 50, "cool_down_hours": 24, "most_per_week": 3,
    "overrides": None,
}  # fmt: skip


def started(monkeypatch: pytest.MonkeyPatch, name: str, *line: str) -> dict[str, Any]:
    """The params with which the flow's command line runs it."""
    heard = dict[str, Any]()
    monkeypatch.setattr(Flow, "__call__", lambda _, **params: heard.update(params))
    monkeypatch.setattr(sys, "argv", [name, *line])
    importlib.import_module(f"pipeline.flows.{name}").main()
    return heard


@pytest.mark.parametrize(
    ("name", "line", "params"),
    [
        ("monitor", ["summaries"], MONITORED),
        ("monitor", ["summaries", "--alpha", "0.05"], MONITORED | {"alpha": 0.05}),
        ("maintain", [], {"keep_days": 30, "dry_run": True}),
        ("maintain", ["--keep-days", "7", "--remove"], {"keep_days": 7.0, "dry_run": False}),
        ("summarize", ["a", "b"], {"source": "a", "target": "b", "column": "document", "chunk_rows": 500}),
    ],
)
def test_a_command_line_needs_no_more_than_the_deployment(monkeypatch, name, line, params):
    assert started(monkeypatch, name, *line) == params


def test_a_training_s_command_line_passes_overrides_and_defaults_on(monkeypatch):
    assert started(monkeypatch, "train")["overrides"] in (None, [])
    params = started(monkeypatch, "train", "train.seed=2", "train.max_steps=9", "--push")
    assert params["overrides"] == ["train.seed=2", "train.max_steps=9"]
    assert (params["num_devices"], params["push"], params["pull"], params["timeout_minutes"]) == (1, True, False, None)


def test_help_tells_the_defaults(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        started(monkeypatch, "monitor", "--help")
    assert "(0.2)" in capsys.readouterr().out


def test_each_deployment_has_a_target_of_make_that_runs_it_here():
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    flows = [re.sub(r"\.py:.*", "", one["entrypoint"]).replace("/", ".") for one in deployments]
    run = re.findall(r"\tpython -m (pipeline\.flows\.\w+) \$\(FLAGS\)", (ROOT / "Makefile").read_text())
    assert sorted(run) == sorted(flows)
