"""A slash too many between a base URL and a path of a dialect, as clients write it whose base URL ends with one.

Knows the first parts of the dialects' paths alone; natively such a path leads nowhere.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_DOUBLED = re.compile(r"//+")
_SPOKEN = re.compile("/(?:v1|sdapi|huggingface)/")


class DoubledSlashes:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            path = _DOUBLED.sub("/", scope["path"])
            if _SPOKEN.match(path):
                scope["path"] = path
        await self.app(scope, receive, send)
