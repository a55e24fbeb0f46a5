"""A running factory whose parts can be killed, and what is asked of its server."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from pipeline.flows.lease import LEASE_VARIABLE
from tests.flows.stand_in import make_stand_in
from tests.servers import PrefectServer

# Of this process alone: whoever gets a device ends what else is on it.
DEVICE = f"fake{os.getpid()}"
# Longer than a lease is held without renewal and than the healer waits.
LONG_SECONDS = 120.0


class Factory:
    """The parts, in ``folder``; those that a round kills can be started again. ``database``: the server's."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.project = folder / "project"
        make_stand_in(self.project)
        (folder / "server").mkdir()
        self.server = PrefectServer(folder / "server", database)
        self._log = folder / "worker.log"
        self.environment = self.server.environment | {
            "PYTHONPATH": f"{self.project / 'src'}:{self.project}", "SEQ2SUM_DEVICES": DEVICE, "SEQ2SUM_DEVICE": "cpu",
            "SEQ2SUM_TRACKING": "off", "OMP_NUM_THREADS": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            # As in the stack: with Prefect's ten seconds a round would mostly wait for a worker to look for runs.
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }  # fmt: skip
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Deploys the flows and starts the worker."""
        for command in (["-m", "pipeline.flows.healing"], ["-m", "prefect", "--no-prompt", "deploy", "--all"]):
            environment = self.environment | {"PWD": str(self.project)}
            done = subprocess.run(
                [sys.executable, *command],
                cwd=self.project,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        self.start_worker()

    def start_worker(self) -> None:
        command = ["worker", "start", "--pool", "gpu", "--name", "w"]
        with self._log.open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "prefect", *command],
                cwd=self.project, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def find(self, *words: str) -> list[psutil.Process]:
        """Python processes of this factory whose command line has ``words`` in a row."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if (
                    line
                    and "python" in Path(line[0]).name
                    and any(tuple(line[at : at + len(words)]) == words for at in range(len(line)))
                    and process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get("PREFECT_API_URL") == self.server.api
                ):
                    found.append(process)
        return found

    def flows(self) -> list[psutil.Process]:
        """The processes that run flows, not what these start."""
        found = []
        for process in self.find():
            with contextlib.suppress(psutil.Error):
                if "PREFECT__FLOW_RUN_ID" in process.environ() and "prefect" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Kept by us, so that none is searched for."""
        return [psutil.Process(self.worker.pid)] if self.worker else []

    def trainers(self) -> list[psutil.Process]:
        return self.find("-m", "pipeline.stages.train")

    def kill(self, victim: str) -> int:
        """Kills it with SIGKILL; how many processes that were. What an administrator would is started again."""
        if victim in ("server", "outage"):
            self.server.kill()
            time.sleep(2 if victim == "server" else LONG_SECONDS)
            self.server.start()
            return 1
        if victim == "frozen":
            return self.freeze(LONG_SECONDS)
        chosen = {
            "trainer": self.trainers, "dvc": lambda: self.find("-m", "dvc"), "flow": self.flows,
            "worker": self.workers, "machine": lambda: [*self.workers(), *self.flows()],
        }[victim]()  # fmt: skip
        for process in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if victim in ("worker", "machine"):
            assert self.worker
            self.worker.wait()
            self.start_worker()
        return len(chosen)

    def hang(self, seconds: float) -> None:
        """Stops the training for so long."""
        (trainer,) = self.trainers()
        trainer.suspend()
        time.sleep(seconds)
        trainer.resume()

    def freeze(self, seconds: float) -> int:
        """Stops the flows that run now, not their commands, for so long; how many they were."""
        frozen = self.flows()
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        if frozen:
            time.sleep(seconds)
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        return len(frozen)

    def starts(self) -> list[tuple[str, str]]:
        """Of each time that a training began: its seed, and the step at which it went on."""
        files = sorted((self.project / ".cache/checkpoints").glob("*/starts"))
        return [(path.parent.name, step) for path in files for step in path.read_text().split()]

    def at_work(self) -> str:
        """The modules that the flows' commands run now."""
        names = [line[line.index("-m") + 1] for line in map(_command_line, self.find("-m")) if "-m" in line]
        return ", ".join(sorted({name for name in names if name not in ("prefect", "prefect.engine")})) or "no command"

    def stop(self) -> None:
        """Ends all parts."""
        if self.worker:
            self.worker.kill()
            self.worker.wait()
        for process in self.flows():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.server.kill()


def _command_line(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@contextlib.contextmanager
def crowding(factory: Factory) -> Iterator[list[int]]:
    """Looks all the while how many trainings hold the device; collects the numbers above one."""
    crowds, over = list[int](), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            holders = Counter[str]()
            for process in factory.trainers():
                with contextlib.suppress(psutil.Error):
                    holders[process.environ().get(LEASE_VARIABLE, "none")] += 1
            crowds.extend(number for number in holders.values() if number > 1)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield crowds
    finally:
        over.set()
        thread.join()


def start_runs(overrides: list[str]) -> list[UUID]:
    """A run of the training flow for each."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("train/train")
        return [
            client.create_flow_run_from_deployment(
                deployment.id, parameters={"overrides": [one], "push": True}, state=Scheduled()
            ).id
            for one in overrides
        ]


def states(runs: list[UUID]) -> list[str]:
    """Of the runs, or nothing known while the server is away."""
    try:
        with get_client(sync_client=True) as client:
            return [client.read_flow_run(run).state.type.value for run in runs]
    except Exception:
        return ["UNKNOWN"] * len(runs)


def slots() -> int:
    """How many slots of devices are taken."""
    with get_client(sync_client=True) as client:
        return sum(limit.active_slots for limit in client.read_global_concurrency_limits())
