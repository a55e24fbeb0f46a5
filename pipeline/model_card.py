"""The model card: what a version is, learnt from what, how good, where it fails and how to check it, as Markdown."""

from collections.abc import Mapping
from typing import Any

from pipeline.lineage import beyond_commit
from seq2sum.evaluation.table import scores_table

# MLflow keeps no longer description of a version.
_MOST_CHARACTERS = 5000


def model_card(scores: Mapping[str, Any], facts: Mapping[str, Any], data_card: Mapping[str, Any]) -> str:
    """``scores``: the scores file. ``facts``: see :func:`pipeline.record.provenance`. ``data_card``: of the source."""
    statistics = scores["statistics"]["model"]
    numbers = " · ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in sorted(statistics.items()))
    training = " · ".join(f"{name.replace('_', ' ')} {value:,.6g}" for name, value in sorted(scores["train"].items()))
    code = facts.get("git_sha", "not in a git repository")
    card = f"""# Summarizer

A sequence-to-sequence network that writes a summary of a document and may copy from it, trained from scratch.

## Data

{data_card.get("origin", "unknown origin")}; release {data_card.get("release", "unknown")}; \
{data_card.get("num_pairs", 0):,} pairs before validation.

Licence: {data_card.get("licence") or "not stated by the source; find out before you publish the model or its output."}

## Scores on the test split

F1 × 100 with 95 % intervals; the last row is a paired bootstrap test.

{scores_table(scores, markdown=True)}

{numbers}

## Training

{training} · on {facts.get("cpu", "?")}, GPU {facts.get("gpu", "?")}

## Limits

- It learnt the style of its data and serves texts like those; on others its summaries may be wrong or empty of sense.
- It can state what its document does not say, numbers and names above all. Have a person check what matters.
- Documents beyond its longest input are cut; the answer's field `truncated` says so.
- ROUGE counts shared words. It does not measure truth.

## How to verify

`seq2sum verify VERSION` checks every hash and repeats recorded summaries; `seq2sum reproduce VERSION` trains it anew.

| what | value |
| --- | --- |
| code | {code}{beyond_commit(facts)} |
| weights | sha256 {facts["weights_sha256"]} |
| tokenizer | sha256 {facts["tokenizer_sha256"]} |
| dvc.lock | sha256 {facts["dvc_lock_sha256"]} |
| environment lock | sha256 {facts.get("environment_lock_sha256", "none")} |
| training data | md5 {facts["data"].get("data/split/train.parquet", "not in dvc.lock")} |
| train key | {facts["train_key"]} |
"""
    assert len(card) <= _MOST_CHARACTERS, "the card outgrew MLflow's limit of a description"
    return card
