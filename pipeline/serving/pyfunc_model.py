"""The registered model, as the code that MLflow stores with it and runs to load it.

It stands alone: where it is loaded there is no pipeline, only MLflow, the version's requirements and the seq2sum
package that travels with the version.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from seq2sum.config import SearchParams
from seq2sum.errors import UserError
from seq2sum.service.batching import Batcher
from seq2sum.service.requests import check_documents, requested_search
from seq2sum.summarize import Summarizer

MAX_BATCH_DOCUMENTS = 64


class SummarizerPyfunc(PythonModel):
    """Rows with a `document` to rows with `summary`, `score` and `truncated`.

    `score` is the summary's length-normalized log probability; `truncated` says that the document was longer than
    the model reads and that its end was not seen. SEQ2SUM_DEVICE names the device.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the model folder that travels as the artifact `summarizer`."""
        folder = Path(context.artifacts["summarizer"])
        self._summarizer = Summarizer.load(folder, os.environ.get("SEQ2SUM_DEVICE", "cpu"))
        # A server calls `predict` from many threads.
        self._summarize = Batcher(self._summarizer.summarize, MAX_BATCH_DOCUMENTS)

    # From this hint MLflow derives no schema; from others (list[str]) it does, and drops the signature's params.
    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Summarizes `model_input`, a data frame with a text column `document`."""
        search = _search(self._summarizer.search, params or {})
        summaries = self._summarize(_documents(model_input), search)
        return pd.DataFrame(
            {
                "summary": [summary.text for summary in summaries],
                "score": [summary.score for summary in summaries],
                "truncated": [summary.truncated for summary in summaries],
            }
        )


def _search(own: SearchParams | None, params: dict[str, Any]) -> SearchParams:
    """The model's own search settings with ``params`` over them, of the same names but for `num_beams`."""
    assert own is not None, "a model is registered with its search settings"
    changes = {"beam_size" if key == "num_beams" else key: value for key, value in params.items()}
    try:
        return requested_search(own, changes)
    except UserError as error:
        # In the words of the signature.
        problems = str(error).replace("beam_size", "num_beams")
        raise MlflowException.invalid_parameter_value(f"Bad params: {problems}") from error


def _documents(frame: pd.DataFrame) -> list[str]:
    """The documents. Raises a client's error that names the first row that is no text or too long."""
    try:
        return check_documents(frame["document"].tolist())
    except UserError as error:
        raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(SummarizerPyfunc())
