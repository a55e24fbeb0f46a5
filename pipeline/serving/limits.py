"""What a server takes in: a bound on the size of a request."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4_000_000


class TooLarge:
    """Answers 413 to a body beyond ``MOST_BYTES`` without reading it to its end."""

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
            parts.append(message.get("body", b""))
            num_bytes, more = num_bytes + len(parts[-1]), message.get("more_body", False)
            if num_bytes > MOST_BYTES:
                text = f'{{"error_code": "BAD_REQUEST", "message": "A request of more than {MOST_BYTES:,} bytes."}}'
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
