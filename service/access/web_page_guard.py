"""Keeps web pages away from a service without keys: checks Host and Origin before any route.

A page can make its visitor's browser send requests to a loopback address, and through DNS rebinding read the answers.
Knows headers alone.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from contract.loopback import is_loopback
from service.errors import HostRefused, OriginRefused, ServiceError
from service.exception_handlers import answer_error

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class WebPageGuard:
    """ASGI middleware. The Host must be loopback or allowed; an unsafe request must not come from another origin."""

    def __init__(self, app: ASGIApp, allowed_hosts: frozenset[str]) -> None:
        self.app = app
        self.allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            error = self._refusal(scope["method"], Headers(scope=scope))
            if error is not None:
                await answer_error(scope, error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> ServiceError | None:
        host = headers.get("host", "")
        if not self._allowed(host):
            return HostRefused("The Host header must be a loopback address or listed in DARKROOM_ALLOWED_HOSTS.")
        if method in _SAFE_METHODS:
            return None
        origin = headers.get("origin")
        same_origin = origin is None or _authority(origin) == host.lower()
        if not same_origin or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return OriginRefused("A web page of another origin must not send this request.")
        return None

    def _allowed(self, host: str) -> bool:
        name = _host_name(host)
        return "*" in self.allowed_hosts or name in self.allowed_hosts or is_loopback(name)


def _authority(origin: str) -> str:
    """The host and port of an Origin header; empty, which is no Host, where it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets; empty where it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
