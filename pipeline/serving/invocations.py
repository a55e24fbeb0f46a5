"""POST /invocations as MLflow's scoring server answers it, with two differences.

What a request asks for and nobody knows is refused, where MLflow drops it, and neither an answer nor a line of the log
quotes a document.
"""

import io
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from mlflow.pyfunc import scoring_server

from seq2sum.errors import UserError
from seq2sum.service.requests import check_documents

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

COLUMN, PARAMS = "document", scoring_server.SERVING_PARAMS_KEY
TABLES = sorted(scoring_server.SUPPORTED_FORMATS)
# Of a key that nobody knows, so that a text in its place is not sent back.
_MOST_SHOWN = 40

_log = logging.getLogger("uvicorn.error")


def answer(model: "PyFuncModel", body: bytes, content_type: str) -> tuple[int, str]:
    """Status and JSON for a request's body: the summaries, or what is wrong with it in MLflow's form of an error."""
    try:
        data, params = _read(model, body, content_type)
        _require_known(params, model)
        if isinstance(data, pd.DataFrame) and COLUMN in data:
            check_documents(data[COLUMN].tolist())
        text = io.StringIO()
        scoring_server.predictions_to_json(_predicted(model, data, params), text)
    except UserError as error:
        refusal = MlflowException.invalid_parameter_value(str(error))
        return refusal.get_http_status_code(), refusal.serialize_as_json()
    except Exception as error:
        # Its message may quote a document, so the log has its kind and the places alone.
        frames = "".join(traceback.format_tb(error.__traceback__))
        _log.error("an answer failed with %s:\n%s", type(error).__name__, frames)
        failure = MlflowException("Something went wrong here; the server's log says where.", INTERNAL_ERROR)
        return failure.get_http_status_code(), failure.serialize_as_json()
    return 200, text.getvalue()


def _read(model: "PyFuncModel", body: bytes, content_type: str) -> tuple[Any, Any]:
    """The rows and the params, None where there are none. Raises UserError if they can't be read."""
    kind, schema = content_type.partition(";")[0].strip().lower(), model.metadata.get_input_schema()
    request = _json_object(body) if kind == scoring_server.CONTENT_TYPE_JSON else {}
    params = request.pop(PARAMS, None)
    try:
        if kind == scoring_server.CONTENT_TYPE_JSON:
            return scoring_server.infer_and_parse_data(request, schema), params
        if kind == scoring_server.CONTENT_TYPE_CSV:
            return scoring_server.parse_csv_input(io.StringIO(body.decode()), schema), None
        if kind == scoring_server.CONTENT_TYPE_PARQUET:
            return scoring_server.parse_parquet_input(io.BytesIO(body)), None
    except (MlflowException, ValueError) as error:
        name = next(iter(request), kind)
        raise UserError(f"{name}: can't be read as a table of texts in valid Unicode.") from error
    raise UserError(f"Content-Type: none of {', '.join(scoring_server.CONTENT_TYPES)}.")


def _json_object(body: bytes) -> dict[str, Any]:
    """The request, which holds one table and perhaps params. Raises UserError if it does not."""
    try:
        request = json.loads(body)
    except UnicodeDecodeError as error:
        raise UserError(f"The request is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise UserError(f"The request is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    except ValueError as error:
        raise UserError("The request is not JSON that can be read: it holds a number of too many digits.") from error
    except RecursionError as error:
        raise UserError("The request is not JSON that can be read: it is nested too deeply.") from error
    keys = request.keys() if isinstance(request, dict) else set()
    if len(keys & set(TABLES)) != 1 or not keys <= {*TABLES, PARAMS}:
        unknown = ", ".join(f"{key[:_MOST_SHOWN]!r}" for key in keys - {*TABLES, PARAMS})
        raise UserError(
            f"{f'Unknown: {unknown}. ' if unknown else ''}A request is a JSON object with one of {', '.join(TABLES)} "
            f"and, if it wants other than the model's own search settings, {PARAMS}."
        )
    return dict(request)


def _require_known(params: Any, model: "PyFuncModel") -> None:
    """Raises UserError that names the params that the model does not have, and those that it has."""
    schema = model.metadata.get_params_schema()
    known = [one.name for one in schema.params] if schema else []
    unknown = [f"{key[:_MOST_SHOWN]!r}" for key in params if key not in known] if isinstance(params, dict) else []
    if unknown:
        raise UserError(f"{PARAMS}: {', '.join(unknown)} unknown. Known are: {', '.join(known) or 'none'}.")


def _predicted(model: "PyFuncModel", data: Any, params: Any) -> Any:
    """What the model answers. Raises UserError if it is the request that it refuses."""
    try:
        return model.predict(data, params=params)
    except MlflowException as error:
        if error.error_class == "SCHEMA_ENFORCEMENT_FAILED":  # quotes the rows
            raise UserError(f"Every row wants a text in the column {COLUMN!r}.") from error
        if error.get_http_status_code() < 500:
            raise UserError(error.message) from error
        raise
