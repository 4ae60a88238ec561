"""How large a request's body may be, and how long it may take, for every route, those that expect none included.

Nothing is read that the route does not ask for. Knows sizes and time; knows nothing of what is in a body.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, BodyTooSlow
from service.exception_handlers import answer_error

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 30.0
"""From when the body is first asked for, and a second more for each LEAST_BYTES_PER_SECOND that came."""
LEAST_BYTES_PER_SECOND = 1024 * 1024
_NONE_LARGER: Mapping[str, int] = MappingProxyType({})


class BoundedBody:
    """ASGI middleware. `larger` names the paths whose bodies may be larger, and how large in bytes."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int] = _NONE_LARGER) -> None:
        self.app = app
        self.larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self.larger.get(scope["path"], MAX_BODY_BYTES)
        body = _Body(limit, headers.get("expect", "").lower() == "100-continue", receive, send)
        # The parser lets nothing but digits through.
        if int(headers.get("content-length", 0)) > limit:
            await answer_error(scope, _too_large(limit))(scope, receive, body.send)
            return
        await self.app(scope, body.receive, body.send)


class _Body:
    """Of one request, until its answer begins: what then still comes is thrown away by the connection."""

    def __init__(self, limit: int, expects_continue: bool, receive: Receive, send: Send) -> None:
        self._limit = limit
        self._unasked = expects_continue
        self._receive = receive
        self._send = send
        self._deadline: float | None = None
        self._size = 0
        self._ended = self._answered = False

    async def receive(self) -> Message:
        """Raises BodyTooLarge and BodyTooSlow."""
        if self._ended or self._answered:
            return await self._receive()
        self._unasked = False
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline + self._size / LEAST_BYTES_PER_SECOND):
                message = await self._receive()
        except TimeoutError:
            if self._answered:
                return await self._receive()
            raise BodyTooSlow(f"The body must have come within {BODY_SECONDS:.0f} seconds.") from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit and not self._answered:
            raise _too_large(self._limit)
        self._ended = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            if self._unasked:  # nobody knows whether the client still sends its body: it must not be asked for another
                MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body must be at most {limit} bytes.")
