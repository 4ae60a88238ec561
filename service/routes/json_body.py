"""The body of a request as a model, or field by field why it is none. Knows bytes and models; knows nothing of jobs."""

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from service.errors import InvalidJson, UnsupportedMediaType, ValidationFailed
from service.refusals import refusals_of
from service.request_body import media_type, read_body

MAX_BODY_BYTES = 64 * 1024

Kind = TypeVar("Kind", bound=BaseModel)


async def read_json(request: Request, kind: type[Kind]) -> Kind:
    """Parsed and validated in one strict pass: not a number, half a surrogate or bad UTF-8 never get in.

    Raises UnsupportedMediaType, BodyTooSlow, BodyTooLarge, InvalidJson and ValidationFailed.
    """
    if media_type(request) != "application/json":
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> InvalidJson | ValidationFailed:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidJson(f"The body is not JSON: {first['ctx']['error']}.")
    return ValidationFailed(refusals_of(error))


def body_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The `requestBody` of a route that reads such a body."""
    schema = kind.model_json_schema()
    # It stands in the middle of a document, whose root a `#/$defs/` would be looked for in.
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        definition = definitions[part["$ref"].rpartition("/")[2]]
        part = definition | {name: value for name, value in part.items() if name != "$ref"}
    return {name: _inlined(value, definitions) for name, value in part.items()}
