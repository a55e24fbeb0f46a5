"""Of a flow without a server; `test_factory` has those with one."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from pipeline.flows.lease import LEASE_VARIABLE, leased
from seq2sum.errors import UserError

DEVICES = [f"fake{os.getpid()}-{number}" for number in range(2)]
LOG = logging.LoggerAdapter(logging.getLogger(__name__))
HOLDER = """
import logging, os, subprocess, sys, time
from uuid import uuid4
from pipeline.flows.lease import leased
with leased(1, uuid4(), logging.LoggerAdapter(logging.getLogger())) as device:
    trainer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=os.environ | device)
    print(trainer.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SEQ2SUM_DEVICES", ",".join(DEVICES))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_the_device_of_a_killed_holder_is_free_and_its_trainer_gone():
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    trainer = int(holder.stdout.readline())
    with leased(1, uuid4(), LOG) as device:
        assert device["CUDA_VISIBLE_DEVICES"] == DEVICES[1]
        assert "SEQ2SUM_PROCESSES" not in device
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert psutil.pid_exists(trainer)
    with leased(2, uuid4(), LOG) as device:
        assert device["CUDA_VISIBLE_DEVICES"].split(",") == DEVICES
        assert device["SEQ2SUM_PROCESSES"] == "2"
        assert len(device[LEASE_VARIABLE].split()) == 2
        assert not psutil.pid_exists(trainer) or psutil.Process(trainer).status() == psutil.STATUS_ZOMBIE


def test_waiting_for_a_device_ends_when_the_time_is_up():
    with (
        leased(2, uuid4(), LOG),
        pytest.raises(TimeoutError, match=DEVICES[0]),
        leased(1, uuid4(), LOG, time.monotonic() + 1),
    ):
        pass


@pytest.mark.parametrize("number", [0, 3])
def test_more_devices_than_there_are_are_refused(number):
    with pytest.raises(UserError, match="this machine has 2"), leased(number, uuid4(), LOG):
        pass
