"""Gives every request an id: its client's own or a new one, told back and written on every line of the log about it.

Writes a line for each request where that is asked for. Knows headers; knows nothing of what is asked for.
"""

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from contract.job import is_id
from service.access.owners import Owner
from service.asked import method_of, route_of

log = structlog.get_logger("darkroom.service")

_HEADER = "X-Request-ID"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def name_in_log(owner: Owner | None, job_id: str | None) -> None:
    """From here on every line about this request says whose it is, and which job it concerns."""
    if owner is not None:
        bind_contextvars(owner=owner.name)
    if job_id is not None and is_id(job_id):
        bind_contextvars(job_id=job_id)


class RequestIds:
    """ASGI middleware around the whole app, so that no answer escapes it."""

    def __init__(self, app: ASGIApp, access_log: bool) -> None:
        self.app = app
        self.access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(_HEADER))
        started = time.monotonic()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        clear_contextvars()  # uvicorn's task for a request begins with those of the one before
        bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if self.access_log:
                seconds = round(time.monotonic() - started, 6)
                log.info("request", method=method_of(scope), route=route_of(scope), status=status, seconds=seconds)


def _request_id(presented: str | None) -> str:
    return presented if presented is not None and _USABLE.fullmatch(presented) else secrets.token_hex(16)
