"""Named tensors to a safetensors file, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from seq2sum.errors import UserError
from seq2sum.files import replaced_file


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes ``tensors`` atomically. Raises UserError when the disk does not take them."""
    owned = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with replaced_file(path) as beside:
            save_file(owned, beside)
    except SafetensorError as error:
        raise UserError(f"{path}: {error}. Free space or fix access, then run again.") from error
