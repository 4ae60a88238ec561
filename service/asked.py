"""What a request asked for, in words of which there are few: for the log, the traces and the metrics.

Knows methods and routes; never gives an address as it was asked for: there may be a signature in it, or anything else.
"""

from starlette.types import Scope

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_of(scope: Scope) -> str:
    """`other` for one that HTTP does not define."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def route_of(scope: Scope) -> str:
    """The pattern of the path, of a mounted app only its root; empty where none matched.

    Known once the app was called: the router writes it into the scope.
    """
    return getattr(scope.get("route"), "path", None) or scope.get("root_path") or ""
