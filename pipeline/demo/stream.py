"""Answers that grow: JSON lines that are sent while the work goes on."""

import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from seq2sum.errors import UserError

Event = dict[str, Any]
Send = Callable[[Event], None]

_log = logging.getLogger(__name__)


class _ClientLeftError(Exception):
    """Nobody listens any more."""


def lines_of(work: Callable[[Send], None]) -> Iterator[str]:
    """What ``work`` sends, each as a JSON line at once; an ``error`` is the last if it fails.

    When the iterator is closed, ``work`` ends the next time that it sends.
    """
    events: queue.Queue[Event | None] = queue.Queue()
    has_left = threading.Event()

    def send(event: Event) -> None:
        if has_left.is_set():
            raise _ClientLeftError
        events.put(event)

    def run() -> None:
        try:
            work(send)
        except _ClientLeftError:
            _log.info("the asker has left")
        except UserError as error:
            events.put({"error": str(error)})
        except Exception:
            _log.exception("an answer failed")
            events.put({"error": "Something went wrong here; the server's log says what. Please try again."})
        finally:
            events.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        while (event := events.get()) is not None:
            yield json.dumps(event, ensure_ascii=False) + "\n"
    finally:
        has_left.set()
