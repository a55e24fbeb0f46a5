"""Reading the JSON reports that stages leave behind."""

import json
from pathlib import Path
from typing import Any

from seq2sum.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises UserError naming the file that is missing or none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: not found. Run `dvc repro` first.") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Run `dvc repro` again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object. Run `dvc repro` again.")
    return content
