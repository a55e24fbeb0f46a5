"""What a served model accepts: texts of bounded number and size, by the environment, and search settings in bounds."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from seq2sum.config import SearchParams
from seq2sum.data.characters import control_character
from seq2sum.data.sources.fields import describe_kind
from seq2sum.environment import whole_number
from seq2sum.errors import UserError
from seq2sum.params_file import describe_problem

# Variable and default. A table of any size is scored in batches: Spark's, for one, are set by
# spark.sql.execution.arrow.maxRecordsPerBatch.
MAX_ROWS = ("SEQ2SUM_MAX_ROWS", 1_000)
MAX_CHARACTERS = ("SEQ2SUM_MAX_CHARACTERS", 1_000_000)
# What a request may ask of a search setting: memory and time grow with the first three, powers of the others overflow.
MOST_OF_SETTING = {
    "beam_size": 64,
    "max_tokens": 1_000,
    "risk_samples": 256,
    "length_penalty": 100.0,
    "coverage_penalty": 100.0,
}


def check_documents(documents: Sequence[object]) -> list[str]:
    """The documents, as they are. Raises UserError that names the first row that is none, and never quotes a text."""
    check_num_rows(len(documents))
    return [check_document(document, f"Row {row}: ") for row, document in enumerate(documents)]


def check_num_rows(num_rows: int) -> None:
    """Raises UserError if these are more rows than are taken at a time."""
    most_rows = whole_number(*MAX_ROWS)
    if num_rows > most_rows:
        raise UserError(f"{num_rows:,} rows; at most {most_rows:,} at a time ({MAX_ROWS[0]}). Send parts.")


def check_document(document: object, where: str = "") -> str:
    """The document, as it is. Raises UserError that begins with ``where`` if it is none."""
    most_characters = whole_number(*MAX_CHARACTERS)
    if document is None or document != document:  # pandas has NaN in the place of null
        raise UserError(f"{where}there is no document (null).")
    if not isinstance(document, str):
        raise UserError(f"{where}the document is {describe_kind(document)}, not text.")
    if not document.strip():
        raise UserError(f"{where}the document is empty.")
    if len(document) > most_characters:
        raise UserError(
            f"{where}a document of {len(document):,} characters; at most {most_characters:,} ({MAX_CHARACTERS[0]})."
        )
    if found := control_character(document):
        raise UserError(f"{where}the document holds {found}.")
    return document


def requested_search(own: SearchParams, changes: Mapping[str, object]) -> SearchParams:
    """The model's ``own`` search settings with a request's ``changes``.

    Raises UserError that names each setting that is unknown, wrong, or beyond both its bound and the model's own value.
    """
    try:
        search = SearchParams.model_validate(own.model_dump() | dict(changes))
    except ValidationError as error:
        raise UserError(" ".join(describe_problem(problem) for problem in error.errors())) from error
    problems = [
        f"{name}: {getattr(search, name):,} is more than a request may ask for; at most {bound:,}."
        for name, most in MOST_OF_SETTING.items()
        if getattr(search, name) > (bound := max(most, getattr(own, name)))
    ]
    if problems:
        raise UserError(" ".join(problems))
    return search
