"""Kills parts of a running factory at random moments: `make chaos ROUNDS=50`.

A Prefect server on PostgreSQL (Debian's packages), a worker with one device, two training runs a round, each with its
stages, a push to DVC's remote, publishing and judging. A part is killed at any moment from the runs' start on, started
again if it is one that an administrator would start again, and the round ends when both runs are over. In each round:
never two trainings on one device, a dead holder's device free within its lease, nothing left of a run, both runs
Completed, and one result, that of a training which nothing interrupts. Before them, unless only a few are asked for as
by CI, a round with a training that hangs for longer than the healer waits, which must not be taken for dead.
"""

import argparse
import hashlib
import random
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline.flows.healing import SILENT_SECONDS
from pipeline.flows.lease import LEASE_SECONDS
from tests.demonstration.parts import Factory, crowding, slots, start_runs, states
from tests.flows.stand_in import expected_result
from tests.servers import postgres, prefect_database, wait_for

# "frozen": the flows' processes stand still, as on a machine that swaps.
VICTIMS = ("trainer", "dvc", "flow", "worker", "machine", "server", "frozen")
# The server is away for long. Not among the others, as it can take a quarter of an hour: for that time a server that
# was started again holds back the events of runs that it does not remember, and so the automations.
OUTAGE = "outage"
# What no longer changes.
OVER = {"COMPLETED", "FAILED"}
# What the two runs of a round take together, that a kill falls anywhere in them.
MOMENTS_SECONDS = 40.0
# The server looks every second for leases that ran out.
FREED_SECONDS = LEASE_SECONDS + 5
# The events that are held back, the silence that the healer waits for, the lease, and two trainings on a slow machine.
ROUND_SECONDS = 1500.0


def play_slow_round(factory: Factory, seconds: float) -> str:
    """A training that hangs for ``seconds`` ends by itself, as the run that it was."""
    with temporary_settings({PREFECT_API_URL: factory.server.api}):
        (run,) = start_runs(["train.seed=0"])
        wait_for(factory.trainers, ROUND_SECONDS)
        factory.hang(seconds)
        wait_for(lambda: states([run]) == ["COMPLETED"], ROUND_SECONDS)
        with get_client(sync_client=True) as client:
            names = [state.name for state in client.read_flow_run_states(run)]
    assert names[-2:] == ["Running", "Completed"], names
    return f"training that hung for {seconds:.0f} s: {' → '.join(names)}"


def play_round(factory: Factory, victim: str, delay: float, seed: int) -> str | None:
    """One round, ``delay`` seconds from the start of its runs to the kill; asserts what must hold.

    None if the runs were over before there was something to kill.
    """
    for made in (".dvc/cache", ".cache/checkpoints", ".cache/registry", ".cache/remote"):
        shutil.rmtree(factory.project / made, ignore_errors=True)
    with temporary_settings({PREFECT_API_URL: factory.server.api}), crowding(factory) as crowds:
        runs = start_runs([f"train.seed={seed}", f"train.seed={seed + 1}"])
        time.sleep(delay)
        num_killed, at_work = 0, ""
        # There is not a trainer, or DVC, at every moment.
        while not num_killed and not OVER.issuperset(states(runs)):
            at_work = factory.at_work()
            num_killed = factory.kill(victim)
        began = time.monotonic()
        freed = seconds_until_free(factory) if num_killed and victim in ("flow", "machine") else None
        wait_for(lambda: OVER.issuperset(states(runs)), ROUND_SECONDS)
        healed = time.monotonic() - began
        assert states(runs) == ["COMPLETED", "COMPLETED"]
        wait_for(lambda: slots() == 0, 90)
        # A run that was reported as crashed twice has another process, which finds it over.
        wait_for(lambda: not factory.flows(), 120)
    assert crowds == [], f"{max(crowds)} trainings on one device"
    assert freed is None or freed <= FREED_SECONDS, f"the device was free {freed:.0f} s after the kill"
    starts = require_whole_result(factory, {str(seed), str(seed + 1)})
    if not num_killed:
        return None
    killed = f"{victim} ({num_killed} processes) {delay:.1f} s into the runs, at {at_work}"
    device = "" if freed is None else f"device free {freed:.0f} s later, "
    return f"{killed}: {device}both over {healed:.0f} s later, trainings started at steps {starts}"


def require_whole_result(factory: Factory, seeds: set[str]) -> list[list[str]]:
    """Asserts that nothing is left of the runs but one result, which the remote has too; where trainings began."""
    left = [process.cmdline() for process in [*factory.trainers(), *factory.find("-m", "dvc")]]
    assert left == [], left
    results = [path.name for path in (factory.project / ".cache/registry").iterdir()]
    assert results == [expected_result()], results
    digest = hashlib.md5(expected_result().encode(), usedforsecurity=False).hexdigest()
    assert (factory.project / ".cache/remote/files/md5" / digest[:2] / digest[2:]).exists(), "not pushed"
    starts = factory.starts()
    assert {seed for seed, _ in starts} == seeds, "a run that was over ran again"
    return [[step for of, step in starts if of == seed] for seed in sorted(seeds)]


def seconds_until_free(factory: Factory) -> float:
    """How long from now on a device stays with a holder that is dead: until no slot is taken or a training starts."""
    began, num_starts = time.monotonic(), len(factory.starts())
    wait_for(lambda: slots() == 0 or len(factory.starts()) > num_starts, 2 * FREED_SECONDS)
    return time.monotonic() - began


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--victims", nargs="+", choices=(*VICTIMS, OUTAGE), default=VICTIMS)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    rng = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="seq2sum-chaos-"))
    with postgres(secrets.token_urlsafe(12)) as store:
        factory = Factory(folder, prefect_database(store))
        try:
            factory.start()
            if arguments.rounds >= len(arguments.victims):
                print(play_slow_round(factory, 1.5 * SILENT_SECONDS), flush=True)
            for number in range(1, arguments.rounds + 1):
                # Every victim in turn, so that few rounds see them all.
                victim = arguments.victims[(number - 1) % len(arguments.victims)]
                delay = rng.uniform(0, MOMENTS_SECONDS)
                while not (outcome := play_round(factory, victim, delay, 2 * number)):
                    # It came too late.
                    delay /= 2
                print(f"round {number}: {outcome}", flush=True)
        except BaseException:
            print(f"the logs are in {folder}", file=sys.stderr)
            raise
        finally:
            factory.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
