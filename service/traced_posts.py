"""A span for each POST, below the client's own where it sends a traceparent. Jobs that it makes are traced below it.

Reading a job again and again is not traced. Knows headers and routes; tells the collector neither addresses nor bodies.
"""

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from contract.tracing import context_from, fail, span, trace_id
from service.asked import route_of


class TracedPosts:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        parent = context_from(Headers(scope=scope))
        attributes = {"http.request.method": "POST", "url.scheme": scope["scheme"]}
        with span("POST", SpanKind.SERVER, parent, **attributes) as opened:
            bind_contextvars(trace_id=trace_id())

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    opened.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        fail(opened, str(message["status"]))
                await send(message)

            await self.app(scope, receive, send_and_note)
            if route := route_of(scope):
                opened.update_name(f"POST {route}")
                opened.set_attribute("http.route", route)
