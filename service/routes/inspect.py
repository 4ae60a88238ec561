"""POST /inspect: an image file in, the request that would draw it again out."""

from typing import Any

from fastapi import Request

from contract.image_file import CONTENT_TYPES
from service.dependencies import WithOwner, WithParts
from service.inspection.inspection import Inspection
from service.routes.problems import problem_responses
from service.routes.router import api_router
from service.wire.media_type import check_media_type

MAX_IMAGE_BYTES = 32 * 1024 * 1024

router = api_router("images")

_TYPES = (*CONTENT_TYPES.values(), "application/octet-stream")
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_EXTRA: dict[str, Any] = {"requestBody": {"required": True, "content": dict.fromkeys(_TYPES, _FILE)}}


@router.post(
    "/inspect",
    operation_id="inspect",
    summary="From a picture back to its prompt",
    responses=problem_responses(415, 503),
    openapi_extra=_EXTRA,
)
async def inspect(_owner: WithOwner, request: Request, parts: WithParts) -> Inspection:
    """What the file says of itself. It is neither decoded nor kept; what it really is, is told from its bytes."""
    check_media_type(request, *_TYPES)
    async with parts.inspections.turn():
        return await parts.inspections.inspect(await request.body())
