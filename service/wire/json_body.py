"""A JSON body, parsed and validated in one strict pass: not a number, half a surrogate or bad UTF-8 never get in.

Knows JSON and pydantic; knows nothing of what a body asks for. How large it may be and how long it may
take is bounded_body's.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from service.errors import InvalidJson, ValidationFailed
from service.refusals import refusals_of
from service.wire.media_type import check_media_type

_Asked = TypeVar("_Asked", bound=BaseModel)
_MEDIA_TYPE = "application/json"


def json_body(model: type[_Asked]) -> Callable[[Request], Awaitable[_Asked]]:
    """A dependency that gives the request's body as that model.

    It raises UnsupportedMediaType, InvalidJson, ValidationFailed, and what bounded_body raises.
    """

    async def body(request: Request) -> _Asked:
        check_media_type(request, _MEDIA_TYPE)
        text = await request.body()
        try:
            asked = model.model_validate_json(text)
        except ValidationError as error:
            raise _refused(error) from None
        _check_names(text)
        return asked

    return body


def json_request(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route with such a body."""
    return {"requestBody": {"required": True, "content": {_MEDIA_TYPE: {"schema": model.model_json_schema()}}}}


def _refused(error: ValidationError) -> InvalidJson | ValidationFailed:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidJson(f"The body is not JSON: {first['ctx']['error']}.")
    return ValidationFailed(refusals_of(error))


def _check_names(text: bytes) -> None:
    """pydantic's parser takes the last of several fields of one name; another one before it may have judged the
    first."""
    json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidJson("The body is not JSON that can be relied on: two fields of one object have the same name.")
    return fields
