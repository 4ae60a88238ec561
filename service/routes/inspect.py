"""POST /inspect: an image file in, the request that would draw it again out."""

from typing import Any

from fastapi import APIRouter, Request

from contract.image_file import CONTENT_TYPES
from service.dependencies import WithOwner, WithParts
from service.errors import UnsupportedMediaType
from service.inspection.inspection import Inspection
from service.request_body import media_type, read_body
from service.routes.problems import problem_responses

MAX_IMAGE_BYTES = 32 * 1024 * 1024

router = APIRouter()

_TYPES = (*CONTENT_TYPES.values(), "application/octet-stream")
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_EXTRA: dict[str, Any] = {"requestBody": {"required": True, "content": dict.fromkeys(_TYPES, _FILE)}}


@router.post(
    "/inspect",
    operation_id="inspect",
    summary="From a picture back to its prompt",
    responses=problem_responses(401, 403, 408, 413, 415, 421, 422),
    openapi_extra=_EXTRA,
)
async def inspect(_owner: WithOwner, request: Request, parts: WithParts) -> Inspection:
    """What the file says of itself. It is neither decoded nor kept; what it really is, is told from its bytes."""
    if media_type(request) not in _TYPES:
        raise UnsupportedMediaType(f"The Content-Type must be one of {', '.join(_TYPES)}.")
    async with parts.inspections.limit:
        return await parts.inspections.inspect(await read_body(request, MAX_IMAGE_BYTES))
