"""What a training run shows on its page in Prefect: scores, the gate's verdict, samples, curves, the MLflow run."""

import base64
import json
import textwrap
from itertools import islice
from pathlib import Path
from typing import Any

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from pipeline import paths
from pipeline.jsonfile import read_json
from seq2sum.evaluation.table import scores_table

_NUM_SAMPLES = 10
_MOST_CHARACTERS = 200  # of a document


def show_results(tree: Path, published: dict[str, Any]) -> None:
    """Artifacts of what the stages made and of where it was published."""
    scores = read_json(tree / paths.SCORES)
    version = f"{published['name']} version {published['version']}"
    create_markdown_artifact(
        f"# {version}\n\n{scores_table(scores, markdown=True)}\n\n{scores['verdict']}\n", key="scores"
    )
    with (tree / paths.SAMPLES).open(encoding="utf-8") as lines:
        samples = [_row(json.loads(line)) for line in islice(lines, _NUM_SAMPLES)]
    create_table_artifact(samples, key="samples", description=f"what {version} writes of test documents")
    curves = tree / paths.EVAL_PLOTS / "curves.png"
    # Within the address, since the page's viewers need not reach the worker's files.
    image = base64.b64encode(curves.read_bytes()).decode()
    create_image_artifact(f"data:image/png;base64,{image}", key="curves", description="loss by step")
    if published["page"]:
        create_link_artifact(published["page"], link_text=f"MLflow run of {version}", key="mlflow-run")


def _row(sample: dict[str, Any]) -> dict[str, str]:
    """What fits a page's width: the texts to compare first."""
    document = textwrap.shorten(sample["document"], _MOST_CHARACTERS, placeholder=" …")
    return {"hypothesis": sample["hypothesis"], "reference": sample["reference"], "document": document}


def show_verdict(tree: Path, promotion: dict[str, Any]) -> None:
    """The gate's verdict; with ROUGE beside the champion's, where there was one to judge against."""
    reasons = "".join(f"- {reason}\n" for reason in promotion["reasons"])
    text = f"# version {promotion['challenger']}: {promotion['decision']}\n\n{reasons}"
    if promotion["report"]:
        judged = (tree / promotion["report"] / "verdict.md").read_text(encoding="utf-8")
        text = "\n".join(line for line in judged.splitlines() if not line.startswith("!["))
    create_markdown_artifact(text, key="verdict")
