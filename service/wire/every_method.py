"""HEAD wherever there is GET, OPTIONS everywhere, and which methods a path has.

Knows the app's routes; knows nothing of what they do.
"""

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def allowed_methods(scope: Scope) -> list[str]:
    """The methods of the request's path, over all routes; none where there is no such path."""
    methods = _routed_methods(scope)
    if "GET" in methods and "HEAD" not in methods:
        methods.insert(1, "HEAD")
    return [*methods, "OPTIONS"] if methods else []


def _routed_methods(scope: Scope) -> list[str]:
    routes: list[BaseRoute] = scope["app"].router.routes
    # Inside a mount the root path is the mount's.
    asked = {name: scope[name] for name in ("type", "path", "headers")}
    asked["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
    return [method for method in _METHODS if any(_takes(route, {**asked, "method": method}) for route in routes)]


def _takes(route: BaseRoute, scope: Scope) -> bool:
    if isinstance(route, Mount) and scope["method"] not in ("GET", "HEAD"):
        return False  # it holds files, and leaves the method to them
    return route.matches(scope)[0] is Match.FULL


class EveryMethod:
    """ASGI middleware. A 405 is left to the routes, and its Allow to exception_handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else None
        if method == "OPTIONS":
            await self._tell_methods(scope, receive, send)
        elif method == "HEAD" and "HEAD" not in _routed_methods(scope):
            # The server knows that it was HEAD, and leaves the body away.
            routed = {**scope, "method": "GET"}
            await self.app(routed, receive, _HeadersOnly(send, scope, routed))
        else:
            await self.app(scope, receive, send)

    async def _tell_methods(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "*":  # the service as a whole
            await Response(status_code=204)(scope, receive, send)
            return
        methods = allowed_methods(scope)
        if methods:
            await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class _HeadersOnly:
    """Ends the answer where its body begins: that of an event stream would not end by itself.

    The route, which the router wrote into the scope that it got, is written into the one that others look at.
    """

    def __init__(self, send: Send, asked: Scope, routed: Scope) -> None:
        self._send = send
        self._asked = asked
        self._routed = routed
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] == "http.response.start":
            self._asked["route"] = self._routed.get("route")
        if message["type"] == "http.response.body":
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)
