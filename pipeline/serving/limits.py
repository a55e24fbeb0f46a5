"""What a server takes in: a bound on the size of a request."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4_000_000
# A client that is answered in the middle of its sending loses the answer with the connection, so this much is read.
_MOST_DISCARDED = 64_000_000


class TooLarge:
    """Answers 413 to a body beyond ``MOST_BYTES``, of which nothing is kept."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Reads the body, counting, before the application sees the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts, num_bytes, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            part, more = message.get("body", b""), message.get("more_body", False)
            num_bytes += len(part)
            if num_bytes <= MOST_BYTES:
                parts.append(part)
            else:
                parts.clear()
                more = more and num_bytes <= _MOST_DISCARDED
        if num_bytes > MOST_BYTES:
            told = f"A request of more than {MOST_BYTES:,} bytes. Send the documents in parts."
            text = json.dumps({"error_code": "BAD_REQUEST", "message": told})
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": text.encode()})
            return
        body: Message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
        given = False

        async def replay() -> "Message":
            nonlocal given
            if given:
                return await receive()
            given = True
            return body

        await self._app(scope, replay, send)
