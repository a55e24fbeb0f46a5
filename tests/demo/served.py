"""The page served on loopback by a process of its own, over two small untrained models."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import torch

from seq2sum.data.tokenizer import Tokenizer
from seq2sum.model.folder import save_model
from seq2sum.model.summarizer import SummarizerModel
from seq2sum.summarize import save_search
from tests.decoding.tables import search_params
from tests.model.tiny import tiny_params
from tests.servers import free_port, wait_for

REPO = Path(__file__).parents[2]
TEXT = (
    "The ferry leaves the harbour at noon 😀 and comes back before dark. A baker counts loaves; the mill counts sacks."
)
SEARCH = search_params(beam_size=4, length_penalty=0.6, min_tokens=6, max_tokens=12)


class Served(NamedTuple):
    """Where the page is, the models that it shows, and the file of its votes."""

    address: str
    champion: Path
    challenger: Path
    votes: Path


def make_model(folder: Path, seed: int) -> None:
    """An untrained model that copies most of what it writes."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.train([TEXT], vocab_size=330, min_frequency=1)
    model = SummarizerModel(tiny_params(), tokenizer.vocab_size)
    model.decoder.gate.bias.data.fill_(-3.0)
    save_model(folder, model, tokenizer, max_source_tokens=60)
    save_search(folder, SEARCH)


@contextlib.contextmanager
def served_page(folder: Path) -> Iterator[Served]:
    """Starts ``python -m pipeline.demo`` and ends it."""
    port = free_port()
    served = Served(f"http://127.0.0.1:{port}", folder / "champion", folder / "challenger", folder / "votes.db")
    make_model(served.champion, 5)
    make_model(served.challenger, 6)
    command = [sys.executable, "-m", "pipeline.demo", "--model", str(served.champion), "--port", str(port)]
    command += ["--challenger", str(served.challenger), "--votes", str(served.votes)]
    own = {"SEQ2SUM_THREADS": "1", "OMP_NUM_THREADS": "1", "SEQ2SUM_DEVICE": "cpu", "SEQ2SUM_MAX_ROWS": "40"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=REPO, env=os.environ | own, stdout=log, stderr=log)

    def is_up() -> bool:
        assert process.poll() is None, (folder / "server.log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{served.address}/api/about").is_success
        return False

    try:
        wait_for(is_up, 600)
        yield served
    finally:
        process.terminate()
        process.wait()
