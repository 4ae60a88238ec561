"""Counts every request that reaches the app, by what it was routed to.

Knows the route and the status; looks at nothing else of what a client sent.
"""

import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.asked import method_of, route_of
from service.metrics.process_metrics import ProcessMetrics

_NO_ROUTE = "unmatched"
"""Every path that leads nowhere, and every request that was refused before its path was looked at."""


class RequestMetrics:
    """ASGI middleware. To be the outermost one: what others refuse counts too."""

    def __init__(self, app: ASGIApp, metrics: ProcessMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self.metrics, scope, send, time.perf_counter())
        try:
            await self.app(scope, receive, exchange.send)
        finally:
            exchange.count(500)  # an error that nobody foresaw is answered further out


@dataclass
class _Exchange:
    """One request; counted once, when the head of its answer is there."""

    metrics: ProcessMetrics
    scope: Scope
    pass_on: Send
    started: float
    counted: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.count(message["status"])
        await self.pass_on(message)

    def count(self, status: int) -> None:
        if self.counted:
            return
        self.counted = True
        seconds = time.perf_counter() - self.started
        self.metrics.request_answered(route_of(self.scope) or _NO_ROUTE, method_of(self.scope), status, seconds)
