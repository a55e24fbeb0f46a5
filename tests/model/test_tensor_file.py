import subprocess
import sys

import torch
from safetensors.torch import load_file

from seq2sum.model.tensor_file import write_tensors

# A limit on a file's size stands in for a full disk: the write fails in the same place.
WRITER = """
import resource, signal, sys
from pathlib import Path
import torch
from seq2sum.errors import UserError
from seq2sum.model.tensor_file import write_tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_tensors(Path(sys.argv[1]), {"weights": torch.zeros(100_000)})
except UserError as error:
    sys.exit(str(error))
"""


def test_a_disk_that_is_full_is_named_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"weights": torch.ones(3)})
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model.safetensors: " in done.stderr
    assert "Free space" in done.stderr
    assert torch.equal(load_file(path)["weights"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
