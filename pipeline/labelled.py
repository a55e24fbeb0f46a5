"""Documents with reference summaries that a person hands to a command, and what models make of them."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import paths
from pipeline.own_columns import own_columns
from pipeline.workers import num_workers
from seq2sum.config import EvaluateParams
from seq2sum.data.pairs import Pair, read_pairs
from seq2sum.data.sources.fields import as_text
from seq2sum.data.sources.rows import column_names, read_rows
from seq2sum.errors import UserError
from seq2sum.evaluation.baselines import first_sentence, oracle_sentences
from seq2sum.evaluation.comparison import compare_scores
from seq2sum.evaluation.report import intervals, rounded
from seq2sum.evaluation.rouge import score_systems, unread_share
from seq2sum.evaluation.system_outputs import MODEL, SystemOutputs

ID = "id"


class Labelled(NamedTuple):
    """Pairs with both texts, and how many rows have no document or no summary, and are left out as by `init`."""

    pairs: list[Pair]
    num_textless: int


def read_labelled(files: Sequence[Path], document: str | None, summary: str | None) -> Labelled:
    """The rows of JSONL, CSV, TSV or Parquet files. Columns that are not given are those of params.yaml or looked for;
    they are told, as are rows that are left out.

    A pair's id is what a column `id` holds, else file and row. Raises UserError naming the file, and the row where
    there is one, that can't be read, or the first row where none has both texts.
    """
    pairs, textless = [], []
    for path in files:
        if not path.is_file():
            raise UserError(f"{path}: no such file.")
        columns = own_columns(path, document, summary)
        if columns.how:
            print(
                f"{path}: documents from {columns.document!r}, summaries from {columns.summary!r} ({columns.how})",
                file=sys.stderr,
            )
        has_id = ID in column_names(path)
        wanted = [columns.document, columns.summary, *([ID] if has_id else [])]
        for number, row in read_rows(path, wanted):
            name = f"{path}:{number}"
            text, reference = (as_text(row[column], f"{name}: {column!r}") for column in wanted[:2])
            if text.strip() and reference.strip():
                pairs.append(Pair(str(row[ID]) if has_id else name, name, text, reference))
            else:
                textless.append(f"{name}: {(columns.summary if text.strip() else columns.document)!r} is empty")
    if not pairs:
        raise UserError(f"no row has both document and summary; {textless[0]}. Fill them, or name other columns.")
    if textless:
        print(
            f"without document or summary, and so left out: {len(textless):,} of {len(pairs) + len(textless):,} rows "
            f"(the first: {textless[0]})",
            file=sys.stderr,
        )
    return Labelled(pairs, len(textless))


def in_training_split(pairs: Sequence[Pair]) -> int | None:
    """How many of the documents stand in this project's training split, white space evened out; if any do, it is told.

    None where that split is not at hand. Raises UserError if it is damaged.
    """
    if not paths.TRAIN_PAIRS.exists():
        return None
    asked = Counter(" ".join(pair.document.split()) for pair in pairs)
    trained = (" ".join(pair.document.split()) for pair in read_pairs(paths.TRAIN_PAIRS))
    if found := sum(asked[document] for document in {document for document in trained if document in asked}):
        print(
            f"{found:,} of {len(pairs):,} documents are in this project's training split ({paths.TRAIN_PAIRS}): of a "
            "model that was trained on it, their scores say nothing about new texts.",
            file=sys.stderr,
        )
    return found


def score_model(pairs: Sequence[Pair], hypotheses: Sequence[str], params: EvaluateParams) -> SystemOutputs:
    """A model's summaries of ``pairs`` with their scores, beside the baselines that need no other data."""
    documents, references = [pair.document for pair in pairs], [pair.summary for pair in pairs]
    systems = {
        MODEL: list(hypotheses),
        "first_sentence": [first_sentence(document) for document in documents],
        "oracle": oracle_sentences(documents, references, params.rouge, num_workers()),
    }
    scores = score_systems(systems, references, params.rouge, num_workers())
    return SystemOutputs([pair.id for pair in pairs], references, systems, scores)


def score_report(outputs: SystemOutputs, params: EvaluateParams) -> dict[str, Any]:
    """What :func:`seq2sum.evaluation.table.scores_table` shows: the model against the first sentence."""
    samples, seed = params.bootstrap_samples, params.seed
    report: dict[str, Any] = rounded(
        {
            "signature": outputs.scores[MODEL].signature,
            "num_pairs": len(outputs.ids),
            "systems": {name: intervals(scores, samples, seed) for name, scores in outputs.scores.items()},
            "paired": compare_scores(outputs.scores[MODEL], outputs.scores["first_sentence"], samples, seed),
            "best_lead": "first_sentence",
            "bootstrap_samples": samples,
            "unread_share": unread_share(outputs.references, params.rouge),
        }
    )
    return report
