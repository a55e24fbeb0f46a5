"""Stage evaluate: summarizes the whole test split and sets the scores beside those of the baselines."""

# Before PyTorch, which takes seconds to import: it notes who started this process.
from pipeline.stages.runner import run_stage  # isort: skip

import json
import sys
from collections.abc import Sequence

from pipeline import paths
from pipeline.hardware import use_hardware
from pipeline.tracking.journal import read_journal
from pipeline.workers import num_workers
from seq2sum.config import Params, SearchParams
from seq2sum.data.pairs import Pair, read_pairs
from seq2sum.errors import UserError
from seq2sum.evaluation.baselines import baseline_summaries, best_num_lead_words
from seq2sum.evaluation.plots import write_plots
from seq2sum.evaluation.report import build_report, flat_metrics, read_train_facts, sample_rows
from seq2sum.evaluation.rouge import score_systems, unread_share
from seq2sum.evaluation.summary_statistics import summary_statistics
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs, write_outputs
from seq2sum.evaluation.table import scores_table
from seq2sum.files import write_json, write_text
from seq2sum.summarize import Summarizer, save_search


def evaluate(params: Params) -> None:
    """Writes the scores, metrics, plots, samples and all summaries; prints the table."""
    section, workers = params.evaluate, num_workers()
    train, journal = read_train_facts(paths.TRAIN_REPORT), read_journal(paths.JOURNAL)
    val, test = list(read_pairs(paths.VAL_PAIRS)), list(read_pairs(paths.TEST_PAIRS))
    if not val or not test:
        raise UserError(f"{paths.SPLITS}: an empty val or test split. Raise split.val_share and split.test_share.")
    documents, references = [pair.document for pair in test], [pair.summary for pair in test]

    num_lead_words = best_num_lead_words([pair.document for pair in val], [pair.summary for pair in val], section.rouge)
    systems = {
        MODEL: summarize_all(test, section.search),
        **baseline_summaries(documents, references, num_lead_words, section, workers),
    }
    scores = score_systems(systems, references, section.rouge, workers)
    outputs = SystemOutputs([pair.id for pair in test], references, systems, scores)
    statistics = summary_statistics({**systems, "reference": references}, documents, references, workers)
    unread = unread_share(references, section.rouge)
    report = build_report(outputs, statistics, num_lead_words, train, unread, section.bootstrap_samples, section.seed)

    samples = sample_rows(documents, outputs, section.num_samples, section.seed)
    write_text(paths.SAMPLES, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in samples))
    write_outputs(paths.HYPOTHESES, outputs)
    write_plots(paths.EVAL_PLOTS, journal, documents, outputs)
    save_search(paths.MODEL, section.search)
    write_json(paths.METRICS, flat_metrics(report))
    write_json(paths.SCORES, report)
    print(scores_table(report), report["verdict"], sep="\n")


def summarize_all(pairs: Sequence[Pair], search: SearchParams) -> list[str]:
    """The model's summaries, in order; says so on standard error if documents had to be cut."""
    summarizer = Summarizer.load(paths.MODEL, str(use_hardware()))
    summaries = summarizer.summarize([pair.document for pair in pairs], search, progress=True)
    num_truncated = sum(summary.truncated for summary in summaries)
    if num_truncated:
        print(
            f"{num_truncated:,} of {len(pairs):,} documents are longer than the {summarizer.max_source_tokens} pieces "
            "that the model reads (encode.max_source_tokens); their ends were not seen.",
            file=sys.stderr,
        )
    return [summary.text for summary in summaries]


if __name__ == "__main__":
    run_stage("evaluate", evaluate)
