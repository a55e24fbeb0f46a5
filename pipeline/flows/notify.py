"""Telling people, by a Prefect notification block, how a run ended. The run does not depend on it."""

import logging
from typing import Any

from prefect.blocks.abstract import NotificationBlock
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger

from pipeline.flows.healing import HEALED_TAG

# The flow's parameter that names the block.
PARAMETER = "notify"


async def tell(block: str, message: str, log: "logging.LoggerAdapter[logging.Logger]") -> None:
    """Has the block named, such as ``slack-webhook/team``, send the message; a failure is only written to the log."""
    import prefect.blocks.notifications  # noqa: F401 — makes the kinds of blocks known

    try:
        told: NotificationBlock = await NotificationBlock.aload(block)
        await told.notify(message, subject="seq2sum train")
    except Exception as error:
        log.warning("%s could not be told %r: %s", block, message, error)


async def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Of a run that failed, timed out, was cancelled or crashed; a crashed one that is healed has not ended."""
    block = flow_run.parameters.get(PARAMETER)
    if not block or (state.is_crashed() and HEALED_TAG in flow_run.tags):
        return
    await tell(
        block, f"run {flow_run.name}: {state.name}. {state.message or ''}".strip(), flow_run_logger(flow_run, flow)
    )
