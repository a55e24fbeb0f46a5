"""How many summaries of the test split at hand are none, by the gate's own measure."""

from pipeline import paths
from seq2sum.config import PromoteParams
from seq2sum.data.pairs import read_pairs
from seq2sum.evaluation.system_outputs import MODEL, read_outputs
from seq2sum.gate.evidence import is_degenerate
from seq2sum.gate.measures import measure


def degenerate_note(promote: PromoteParams) -> str | None:
    """What to tell of a model that the gate would keep out for it; the first version of a registry meets no gate.

    None if it would not, or where test split or summaries are not at hand. Raises UserError if they are damaged.
    """
    if not (paths.HYPOTHESES.exists() and paths.TEST_PAIRS.exists()):
        return None
    outputs = read_outputs(paths.HYPOTHESES)
    documents = [pair.document for pair in read_pairs(paths.TEST_PAIRS)]
    measures = measure(documents, outputs.references, outputs.hypotheses[MODEL], outputs.scores[MODEL].values)
    share = float(is_degenerate(measures, promote).mean())
    if share <= promote.max_degenerate_share:
        return None
    return (
        f"{share:.1%} of its test summaries are empty, loop or copy their document; the gate lets "
        f"{promote.max_degenerate_share:.1%} pass (promote.max_degenerate_share)"
    )
