"""What the routes of every module are gathered in, and a way around FastAPI for the requests that come most often.

Knows FastAPI's routes; knows nothing of what they do.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from service.wire.known_query import known_query

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
Shortcut = Callable[[Request], Awaitable[Response | None]]
"""The answer to a plain request, by the endpoint and the arguments that FastAPI would call it with.

None, before anything has been done, for one that is not plain: FastAPI then finds what it asks for, or what is wrong.
"""


def api_router(*tags: str) -> APIRouter:
    """Without tags, the routes are in no document."""
    return APIRouter(
        tags=[*tags],
        include_in_schema=bool(tags),
        dependencies=[Depends(known_query)],
        route_class=_Route,
    )


def shortcut(way: Shortcut) -> Callable[[_Endpoint], _Endpoint]:
    """Below the decorator of the route. FastAPI takes 100 µs or more to find an endpoint's arguments."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        _SHORTCUTS[endpoint] = way
        return endpoint

    return mark


_SHORTCUTS: dict[Callable[..., Any], Shortcut] = {}


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        whole = super().get_route_handler()
        way = _SHORTCUTS.get(self.endpoint)
        if way is None:
            return whole

        async def handler(request: Request) -> Response:
            return await way(request) or await whole(request)

        return handler
