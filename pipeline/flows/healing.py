"""Work pools and self-healing on a Prefect server: `python -m pipeline.flows.healing`, before `prefect deploy --all`.

Two automations for the runs that have the tag HEALED_TAG: one that crashed, and one of which nothing was heard for
SILENT_SECONDS, is scheduled again, as the same run, which goes on where it stood. Silence does not ask whether it is
Crashed already: a server that is killed can lose the news of that.
"""

import asyncio
import contextlib
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectAlreadyExists

POOLS = ("cpu", "gpu")
HEALED_TAG = "self-healing"
# Flow processes send a heartbeat every 30 s (PREFECT_FLOWS_HEARTBEAT_FREQUENCY, which can't be less) from a thread of
# their own; three must be missing before a run counts as dead.
SILENT_SECONDS = 100
RETRY = "AwaitingRetry"
_SIGNS_OF_LIFE = {
    f"prefect.flow-run.{sign}" for sign in ("Running", "heartbeat", "Completed", "Failed", "Cancelled", RETRY)
}
_RELATED: dict[str, str | list[str]] = {
    "prefect.resource.role": "tag",
    "prefect.resource.id": f"prefect.tag.{HEALED_TAG}",
}


def automations() -> list[Automation]:
    """As they should be on the server."""
    silence = EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=_RELATED,
        after={"prefect.flow-run.Pending", "prefect.flow-run.Running", "prefect.flow-run.heartbeat"},
        expect=_SIGNS_OF_LIFE,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENT_SECONDS),
    )
    crash = EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=_RELATED,
        expect={"prefect.flow-run.Crashed"},
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return [
        Automation(
            name="silent runs go on",
            trigger=silence,
            actions=[_again(f"nothing was heard of it for {SILENT_SECONDS} s; it goes on where it stood")],
        ),
        Automation(name="crashed runs go on", trigger=crash, actions=[_again("it goes on where it stood")]),
    ]


def _again(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(name=RETRY, state=StateType.SCHEDULED, message=message, force=False)


async def set_up() -> None:
    """Makes what is missing on the server and replaces automations of another version."""
    async with get_client() as client:
        for pool in POOLS:
            # A worker that starts makes its pool too, maybe this moment.
            with contextlib.suppress(ObjectAlreadyExists):
                await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    for wanted in automations():
        with contextlib.suppress(ValueError):
            await (await Automation.aread(name=wanted.name)).adelete()
        await wanted.acreate()
        print(f"automation: {wanted.name}")


if __name__ == "__main__":
    asyncio.run(set_up())
