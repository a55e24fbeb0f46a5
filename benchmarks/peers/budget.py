"""A budget of own CPU seconds for a peer's training, its validations free. The peers' environment imports it."""

import time
from collections.abc import Callable
from typing import Any


class Spent(Exception):  # noqa: N818 - the end of the budget is no error
    """The training has used up its CPU seconds."""


class Budget:
    """Counts the process's CPU seconds from the first training step on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.used = 0.0
        self.num_steps = 0
        self._since: float | None = None

    def charged(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """``step``, which raises Spent when the budget is used up. What happens between steps is charged as well."""

        def checked(*args: Any, **kwargs: Any) -> Any:
            now = time.process_time()
            if self._since is None:
                self._since = now
            self.used = now - self._since
            if self.used >= self.seconds:
                raise Spent
            self.num_steps += 1
            return step(*args, **kwargs)

        return checked

    def free(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, with its CPU seconds given back."""

        def uncharged(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                if self._since is not None:
                    self._since += time.process_time() - start

        return uncharged
