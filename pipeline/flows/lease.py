"""One training per device: a lease of Prefect's, and what its holder must do that Prefect cannot.

A device is a global concurrency limit of 1. The holder renews its lease; the server frees one that was not renewed for
LEASE_SECONDS. That a holder is dead on the server does not end its processes, so whoever gets a device first ends what
is left of earlier holders there. The passing server of a flow without PREFECT_API_URL frees nothing after a kill, so
there a device is a locked file, which the kernel frees.
"""

import contextlib
import fcntl
import itertools
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL

from pipeline.flows.command import end_processes
from seq2sum.errors import UserError

# The least that Prefect's server accepts. It is renewed at three quarters.
LEASE_SECONDS = 60.0
POLL_SECONDS = 2.0
# In the environment of all processes that use a device.
LEASE_VARIABLE = "SEQ2SUM_LEASE"
CPU = "cpu"
LOCKS = Path("~/.cache/seq2sum")


def devices() -> list[str]:
    """This machine's devices as CUDA_VISIBLE_DEVICES names them: SEQ2SUM_DEVICES, or its GPUs, or "cpu"."""
    named = [name.strip() for name in os.environ.get("SEQ2SUM_DEVICES", "").split(",") if name.strip()]
    if named or shutil.which("nvidia-smi") is None:
        return named or [CPU]
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return listed.stdout.split() or [CPU]


@contextlib.contextmanager
def leased(
    num_devices: int,
    flow_run_id: UUID,
    log: logging.LoggerAdapter[logging.Logger],
    deadline: float | None = None,
) -> Iterator[dict[str, str]]:
    """Waits for so many devices of this machine and holds them; the environment for the commands that use them.

    On several devices a training is as many processes. If the lease can't be renewed, the block is cancelled.
    Raises UserError if the machine has fewer devices, TimeoutError if they are not free until ``deadline`` (of the
    monotonic clock).
    """
    known = devices()
    if not 1 <= num_devices <= len(known):
        raise UserError(f"{num_devices} devices asked for; this machine has {len(known)} ({', '.join(known)}).")
    names = {device: f"device:{socket.gethostname()}:{device}" for device in known}
    with contextlib.ExitStack() as stack:
        chosen = _acquire(stack, list(itertools.combinations(known, num_devices)), names, flow_run_id, log, deadline)
        own = [names[device] for device in chosen]
        _evict(own, log)
        log.info("leased %s", ", ".join(own))
        visible = "" if chosen == (CPU,) else ",".join(chosen)
        processes = {"SEQ2SUM_PROCESSES": str(num_devices)} if num_devices > 1 else {}
        yield {LEASE_VARIABLE: " ".join(own), "CUDA_VISIBLE_DEVICES": visible} | processes


def _acquire(
    stack: contextlib.ExitStack,
    choices: Sequence[tuple[str, ...]],
    names: dict[str, str],
    flow_run_id: UUID,
    log: logging.LoggerAdapter[logging.Logger],
    deadline: float | None,
) -> tuple[str, ...]:
    told = False
    while True:
        for chosen in choices:
            wanted = [names[device] for device in chosen]
            if _leased(stack, wanted, flow_run_id) if PREFECT_API_URL.value() else _locked(stack, wanted):
                return chosen
        if not told:
            log.info("waiting for a device: %s", ", ".join(names.values()))
            told = True
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"no device was free until the time was up: {', '.join(names.values())}")
        time.sleep(POLL_SECONDS)


def _leased(stack: contextlib.ExitStack, names: Sequence[str], flow_run_id: UUID) -> bool:
    """Has ``stack`` hold leases of all ``names``, if they are free."""
    with get_client(sync_client=True) as client:
        for name in names:
            ensure_limit(client, name)
        # Asked first, since Prefect writes an error to the log for each refusal.
        if any(client.read_global_concurrency_limit_by_name(name).active_slots for name in names):
            return False
    holder = ConcurrencyLeaseHolder(type="flow_run", id=flow_run_id)
    try:
        held = concurrency(list(names), max_retries=0, lease_duration=LEASE_SECONDS, strict=True, holder=holder)
        stack.enter_context(held)
    except ConcurrencySlotAcquisitionError:
        return False
    return True


def ensure_limit(client: SyncPrefectClient, name: str) -> None:
    """Makes the device ``name`` known to the server, if it is not."""
    # The client looks first and then creates: of two flows that do so at once, one is too late.
    with contextlib.suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)


def _locked(stack: contextlib.ExitStack, names: Sequence[str]) -> bool:
    """Has ``stack`` hold the locks of all ``names``, if they are free."""
    folder = LOCKS.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        for name in names:
            lock = held.enter_context((folder / name).open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        stack.push(held.pop_all())
    return True


def _evict(names: Sequence[str], log: logging.LoggerAdapter[logging.Logger]) -> None:
    """Ends what still runs on devices that are now ours."""

    def leftovers() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                # The follower uses no device, and closes its training's run.
                held = process.environ().get(LEASE_VARIABLE, "").split()
                if set(held) & set(names) and "pipeline.tracking.follow" not in process.cmdline():
                    found.append(process)
        return found

    for process in leftovers():
        log.warning("process %d of an earlier holder is still on the device; ending it", process.pid)
    end_processes(leftovers)
