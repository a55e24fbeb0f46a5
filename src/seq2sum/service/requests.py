"""What a served model accepts: texts of bounded number and size. The limits come from the environment."""

from collections.abc import Sequence

from seq2sum.data.characters import control_character
from seq2sum.environment import whole_number
from seq2sum.errors import UserError

# Variable and default. A table of any size is scored in batches: Spark's, for one, are set by
# spark.sql.execution.arrow.maxRecordsPerBatch.
MAX_ROWS = ("SEQ2SUM_MAX_ROWS", 1_000)
MAX_CHARACTERS = ("SEQ2SUM_MAX_CHARACTERS", 1_000_000)


def check_documents(documents: Sequence[object]) -> list[str]:
    """The documents, as they are. Raises UserError that names the first row that is none, and never quotes a text."""
    most_rows = whole_number(*MAX_ROWS)
    if len(documents) > most_rows:
        raise UserError(f"{len(documents):,} rows; at most {most_rows:,} at a time ({MAX_ROWS[0]}). Send parts.")
    return [check_document(document, f"Row {row}: ") for row, document in enumerate(documents)]


def check_document(document: object, where: str = "") -> str:
    """The document, as it is. Raises UserError that begins with ``where`` if it is none."""
    most_characters = whole_number(*MAX_CHARACTERS)
    if not isinstance(document, str) or not document.strip():
        raise UserError(f"{where}the document is no text or empty.")
    if len(document) > most_characters:
        raise UserError(
            f"{where}a document of {len(document):,} characters; at most {most_characters:,} ({MAX_CHARACTERS[0]})."
        )
    if found := control_character(document):
        raise UserError(f"{where}the document holds {found}.")
    return document
