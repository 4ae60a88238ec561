"""GET and HEAD /images/{job_id}/{index}: a picture in the format of its name, or in the one that the client likes best.

Knows the headers; the bytes come from the store, or from image_variants where they are not the stored ones.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BeforeValidator
from starlette.responses import StreamingResponse

from contract.image_file import CONTENT_TYPES
from contract.job import StoredImage
from contract.parameters import OutputFormat
from service.access.owners import Owner
from service.dependencies import Parts, WithParts, WithViewer, owner_of, parts_of
from service.errors import ImageNotFound
from service.headers.byte_ranges import ByteRange
from service.headers.conditions import CONDITION_PARAMETERS, read_conditions
from service.headers.content_negotiation import preferred_format
from service.openapi.headers import answer_headers
from service.pictures.representation import Representation, ThumbnailWidth, represent, stored_format
from service.routes.problems import problem_responses
from service.routes.router import api_router, shortcut

router = api_router("images")

FORMATS: dict[str, OutputFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
"""Extension -> format."""
_WIDTHS = {"64": 64, "128": 128, "256": 256, "512": 512, "1024": 1024}
_HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "bytes",
}
_PIECE_BYTES = 256 * 1024
_PICTURE: dict[str, Any] = {content_type: {} for content_type in CONTENT_TYPES.values()}


def _declared(*headers: str, in_parts: bool) -> dict[str, Any]:
    """What the decorator of a picture's route takes; `headers` beside those that every picture has."""
    described = answer_headers("ETag", "Cache-Control", "Accept-Ranges", *headers)
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": _PICTURE, "description": "The picture.", "headers": described},
        304: {"description": "The client has it.", "headers": described},
        **problem_responses(401, 404, 410, 503),
    }
    if in_parts:
        part = {"content": _PICTURE, "description": "The part that `Range` asks for."}
        responses[206] = part | {"headers": described | answer_headers("Content-Range")}
        responses |= problem_responses(416)
    # A signed URL needs no key.
    extra = {"security": [{}], "parameters": CONDITION_PARAMETERS}
    return {"response_class": Response, "openapi_extra": extra, "responses": responses}


Width = Annotated[
    ThumbnailWidth,
    # The text of a query: exactly one of these, and no other way to write the number.
    BeforeValidator(lambda text: _WIDTHS.get(text, text)),
    Query(description="pixels; the picture is scaled down to it, never up"),
]


async def _plainly(request: Request) -> Response | None:
    owner = await owner_of(request)
    if owner is None or request.scope["query_string"]:
        return None
    return await named_image(request, **request.path_params, viewer=owner, parts=await parts_of(request))


@router.get(
    "/images/{job_id}/{index}.{extension}",
    operation_id="get_image",
    summary="A picture",
    **_declared(in_parts=True),
)
@router.head(
    "/images/{job_id}/{index}.{extension}",
    operation_id="head_image",
    summary="A picture's headers",
    **_declared(in_parts=False),
)
@shortcut(_plainly)
async def named_image(
    request: Request,
    job_id: str,
    index: str,
    extension: str,
    viewer: WithViewer,
    parts: WithParts,
    width: Width | None = None,
) -> Response:
    """In the format of its name: `png`, `jpeg`, `jpg` or `webp`. The bytes never change."""
    if extension not in FORMATS:
        raise ImageNotFound("There is no such picture.")
    image = await _find(parts, job_id, index, viewer)
    return await _answer(request, parts, represent(image, FORMATS[extension], width), _HEADERS)


@router.get(
    "/images/{job_id}/{index}",
    operation_id="get_negotiated_image",
    summary="A picture in the format that Accept asks for",
    **_declared("Vary", in_parts=True),
)
@router.head(
    "/images/{job_id}/{index}",
    operation_id="head_negotiated_image",
    summary="The headers of a picture in the format that Accept asks for",
    **_declared("Vary", in_parts=False),
)
async def negotiated_image(
    request: Request,
    job_id: str,
    index: str,
    viewer: WithViewer,
    parts: WithParts,
    width: Width | None = None,
) -> Response:
    """The stored format wins among equals, and where none is acceptable."""
    image = await _find(parts, job_id, index, viewer)
    accept = ", ".join(request.headers.getlist("accept"))
    wanted = represent(image, preferred_format(accept, stored_format(image)), width)
    return await _answer(request, parts, wanted, _HEADERS | {"Vary": "Accept"})


async def _find(parts: Parts, job_id: str, index: str, viewer: Owner | None) -> StoredImage:
    for image in await parts.queue.images(job_id, viewer):
        if index == str(image.index):
            return image
    raise ImageNotFound("There is no such picture.")


async def _answer(request: Request, parts: Parts, wanted: Representation, headers: dict[str, str]) -> Response:
    conditions = read_conditions(request)
    headers = headers | {"ETag": wanted.etag}
    if conditions.has(wanted.etag):
        return Response(None, 304, headers)
    variant = None if wanted.is_stored else await parts.variants.get(wanted)
    size = wanted.image.size_bytes if variant is None else len(variant)
    if request.method == "HEAD":
        return Response(None, 200, headers | {"Content-Length": str(size)}, wanted.content_type)
    part = conditions.part(wanted.etag, size)
    status = 200
    if part is not None:
        status, headers = 206, headers | {"Content-Range": part.content_range(size)}
    start, end = part or ByteRange(0, size)
    if variant is not None:
        return Response(variant[start:end], status, headers, wanted.content_type)
    pieces = _pieces(parts, wanted.image, start, end)
    first = await anext(pieces)  # what cannot be read at all is a problem
    if len(first) == end - start:
        return Response(first, status, headers, wanted.content_type)
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(_chained(first, pieces), status, headers, wanted.content_type)


async def _pieces(parts: Parts, image: StoredImage, start: int, end: int) -> AsyncIterator[bytes]:
    """The stored bytes, a piece at a time: a client that reads slowly holds no more of them."""
    for position in range(start, end, _PIECE_BYTES):
        content = await parts.store.get_range(image.key, position, min(position + _PIECE_BYTES, end))
        if content is None:
            raise ImageNotFound("The picture is no longer in the store.")
        yield content


async def _chained(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
