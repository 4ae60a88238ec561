"""GET and HEAD /images/{job_id}/{index}.{ext}: a picture's public address, resolved through its job."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from contract.job import StoredImage
from service.dependencies import Parts, WithParts
from service.errors import ImageNotFound
from service.owners import ANONYMOUS
from service.routes.problems import problem_responses

router = APIRouter()

IfNoneMatch = Annotated[str | None, Header()]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}, "description": "The picture."},
    304: {"description": "The client has it."},
    **problem_responses(404, 421, 422, 503),
}


@router.get(
    "/images/{job_id}/{index}.{extension}",
    operation_id="get_image",
    summary="A picture",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_image(
    job_id: str, index: str, extension: str, parts: WithParts, if_none_match: IfNoneMatch = None
) -> Response:
    """The bytes never change; the ETag is their sha256."""
    image = await _find(parts, job_id, index, extension)
    headers = _headers(image)
    if if_none_match and headers["ETag"] in if_none_match:
        return Response(None, 304, headers)
    content = await parts.store.get(image.key)
    if content is None:
        raise ImageNotFound("The picture is no longer in the store.")
    return Response(content, 200, headers, image.content_type)


@router.head(
    "/images/{job_id}/{index}.{extension}",
    operation_id="head_image",
    summary="A picture's headers",
    response_class=Response,
    responses=_RESPONSES,
)
async def head_image(job_id: str, index: str, extension: str, parts: WithParts) -> Response:
    """As GET, without the bytes."""
    image = await _find(parts, job_id, index, extension)
    headers = _headers(image) | {"Content-Length": str(image.size_bytes)}
    return Response(None, 200, headers, image.content_type)


async def _find(parts: Parts, job_id: str, index: str, extension: str) -> StoredImage:
    for position, image in enumerate(await parts.queue.images(job_id, ANONYMOUS)):
        if index == str(position) and image.key.endswith(f".{extension}"):
            return image
    raise ImageNotFound("There is no such picture.")


def _headers(image: StoredImage) -> dict[str, str]:
    return {
        "ETag": f'"{image.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
