"""A document as the answer to a request. Knows nothing of what is in it."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel
from starlette.responses import Response

_NO_MORE: Mapping[str, str] = MappingProxyType({})


def answer(document: BaseModel, status: int = 200, headers: Mapping[str, str] = _NO_MORE) -> Response:
    """As JSON that no cache keeps: a moment later it may be another."""
    return Response(document.model_dump_json(), status, {"Cache-Control": "no-store", **headers}, "application/json")
