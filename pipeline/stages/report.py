"""Stage report: what all the stages found, as one HTML file that needs no other."""

# Before PyTorch, which takes seconds to import: it notes who started this process.
from pipeline.stages.runner import run_stage  # isort: skip

from pipeline import paths
from pipeline.hardware import use_hardware
from pipeline.report.facts import read_facts
from pipeline.report.page import render
from pipeline.report.samples import explain_sample, ranked
from seq2sum.config import Params
from seq2sum.files import write_text
from seq2sum.summarize import Summarizer


def report(params: Params) -> None:
    """Writes the report."""
    facts = read_facts()
    summarizer = Summarizer.load(paths.MODEL, str(use_hardware()))
    samples = {
        rank: [explain_sample(summarizer, facts.documents[index], facts.outputs, index) for index in indices]
        for rank, indices in ranked(facts.outputs, params.report.num_samples).items()
    }
    write_text(paths.REPORT, render(facts, samples))
    print(f"{paths.REPORT} shows what was found.", flush=True)


if __name__ == "__main__":
    run_stage("report", report)
