"""Stage report: what all the stages found, as one HTML file that needs no other."""

# Before PyTorch, which takes seconds to import: it notes who started this process.
from pipeline.stages.runner import run_stage  # isort: skip

from pipeline import paths
from pipeline.report.facts import read_facts
from pipeline.report.page import render
from pipeline.report.samples import chosen_samples
from seq2sum.config import Params
from seq2sum.files import write_text


def report(params: Params) -> None:
    """Writes the report."""
    facts = read_facts(params.train)
    write_text(paths.REPORT, render(facts, chosen_samples(facts, params.report.num_samples)))
    print(f"{paths.REPORT} shows what was found.", flush=True)


if __name__ == "__main__":
    run_stage("report", report)
