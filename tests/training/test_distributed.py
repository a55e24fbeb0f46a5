"""Two real processes on this machine, which torchrun starts, and one of which is killed."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seq2sum.data.batch import Share
from seq2sum.errors import UserError
from seq2sum.model.dropout import Noise
from seq2sum.training.distributed import OWN_STORE_VARIABLE, joined_ranks
from tests.model.tiny import batch_of
from tests.pipeline.test_supervision import is_running
from tests.training import rank
from tests.training.test_trainer import CPU, broken_once, run, train_params

ROOT = Path(__file__).parents[2]
SHARES = [(num_rows, num_ranks) for num_rows in (1, 2, 5) for num_ranks in (1, 2, 3)]


def torchrun(folder: Path, *arguments: str, max_restarts: int = 0) -> subprocess.CompletedProcess[str]:
    options = ["--standalone", "--nproc-per-node=2", f"--max-restarts={max_restarts}"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "tests.training.rank", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", OWN_STORE_VARIABLE: "1"}
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=800
    )


def outcome(folder: Path) -> tuple[bytes, bytes]:
    weights = [(folder / f"weights-{number}").read_bytes() for number in range(2)]
    assert weights[0] == weights[1]
    return weights[0], (folder / "journal.jsonl").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed training by two processes."""
    folder = tmp_path_factory.mktemp("whole")
    done = torchrun(folder)
    assert done.returncode == 0, done.stderr
    return folder


def curve(folder: Path) -> dict[tuple[str, int, str], float]:
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return {(line["phase"], line["step"], name): value for line in lines for name, value in line["values"].items()}


def test_the_curves_of_two_processes_are_those_of_one(whole, tmp_path):
    run(tmp_path, rank.params())
    one, two = curve(tmp_path), curve(whole)
    assert {"validation/loss", "train/loss", "train/pretraining_loss", "train/reward"} < {name for *_, name in one}
    assert two == pytest.approx(one, rel=1e-5)


def test_a_loss_that_is_no_number_in_one_process_sends_both_back(tmp_path):
    done = torchrun(tmp_path, "broken")
    assert done.returncode == 0, done.stderr
    outcome(tmp_path)
    broken_once(tmp_path / "one", train_params(), math.nan)
    one, two = curve(tmp_path / "one"), curve(tmp_path)
    assert sum(name == "train/incidents" for *_, name in one) == 1
    assert two == pytest.approx(one, rel=1e-5)


def test_restarts_want_a_store_for_each_start(monkeypatch):
    told = {"TORCHELASTIC_RUN_ID": "1", "TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"{OWN_STORE_VARIABLE}=1"), joined_ranks(CPU):
        raise AssertionError("it joined")


def test_a_lost_process_ends_the_run_and_starting_again_leads_to_the_same_result(whole, tmp_path):
    done = torchrun(tmp_path, "35")
    assert done.returncode != 0
    assert "another process of this training is gone" in done.stderr
    processes = [int(file.name.partition("-")[2]) for file in tmp_path.glob("process-*")]
    assert len(processes) == 2
    assert not any(map(is_running, processes))
    assert not (tmp_path / "weights-0").exists()
    # Here torchrun itself starts both again.
    done = torchrun(tmp_path, "12", max_restarts=1)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path) == outcome(whole)


@pytest.mark.parametrize(("num_rows", "num_ranks"), SHARES)
@pytest.mark.parametrize("dim", [0, 1])
def test_every_row_is_in_the_share_of_one_process(num_rows, num_ranks, dim):
    values = torch.arange(3 * num_rows).view(-1, 1).movedim(0, dim)
    shares = [Share(num_rows, number, num_ranks) for number in range(num_ranks)]
    taken = [share.take(values, dim).flatten() for share in shares]
    assert all(share.whole(len(mine)) == 3 * num_rows for share, mine in zip(shares, taken, strict=True))
    counted = torch.cat([mine for share, mine in zip(shares, taken, strict=True) if share.weight])
    assert torch.equal(counted.sort().values, torch.arange(3 * num_rows))


@pytest.mark.parametrize(("num_rows", "num_ranks"), SHARES)
@pytest.mark.parametrize("time_dim", [0, 1])
def test_the_noise_of_a_share_is_its_part_of_the_whole_batch_s(num_rows, num_ranks, time_dim):
    values = torch.ones(2 * num_rows, 7, 5).movedim(0, 1 - time_dim)
    whole = Noise(0.5, False, torch.Generator().manual_seed(1))(values, time_dim)
    for number in range(num_ranks):
        share = Share(num_rows, number, num_ranks)
        part = Noise(0.5, False, torch.Generator().manual_seed(1), share)(share.take(values, 1 - time_dim), time_dim)
        assert torch.equal(part, share.take(whole, 1 - time_dim))


def test_the_parts_of_a_batch_hold_all_its_target_tokens():
    batch = batch_of(([5, 6, 7], [5]), ([9, 5], [7, 8, 9]), ([4], []))
    parts = [batch.part(Share(3, number, 2)) for number in range(2)]
    scored = [part.targets.target_out.flatten()[part.targets.target_rows] for part in parts]
    assert [ids.tolist() for ids in scored] == [[5, 2, 2], [7, 8, 9, 2]]
    assert all(part.targets.num_target_tokens == 7 for part in parts)
    assert parts[1].source.source_ids.tolist() == [[9, 5, 0]]
