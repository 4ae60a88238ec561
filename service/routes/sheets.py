"""GET and HEAD /grids/{id}/sheet.png: a grid as one labelled picture. Knows headers; service/grids has the bytes."""

from typing import Any

from fastapi import Request, Response

from contract.image_file import CONTENT_TYPES
from service.dependencies import WithParts, WithSheetViewer
from service.errors import ImageNotFound
from service.headers.conditions import CONDITION_PARAMETERS, read_conditions
from service.openapi.headers import answer_headers
from service.routes.images import FORMATS
from service.routes.problems import problem_responses
from service.routes.router import api_router

router = api_router("grids")

_HEADERS = answer_headers("ETag", "Cache-Control")
_ROUTE: dict[str, Any] = {
    "response_class": Response,
    # A signed URL needs no key.
    "openapi_extra": {"security": [{}], "parameters": CONDITION_PARAMETERS},
    "responses": {
        200: {
            "content": {each: {} for each in CONTENT_TYPES.values()},
            "description": "The sheet, as the grid is now.",
            "headers": _HEADERS,
        },
        304: {"description": "The client has it.", "headers": _HEADERS},
        **problem_responses(401, 404, 410, 503),
    },
}


@router.get("/grids/{grid_id}/sheet.{extension}", operation_id="get_sheet", summary="A contact sheet", **_ROUTE)
@router.head(
    "/grids/{grid_id}/sheet.{extension}", operation_id="head_sheet", summary="A contact sheet's headers", **_ROUTE
)
async def sheet(
    request: Request,
    grid_id: str,
    extension: str,
    viewer: WithSheetViewer,
    parts: WithParts,
) -> Response:
    """As `png`, `jpeg`, `jpg` or `webp`. It changes while the grid's jobs end: ask again with `If-None-Match`."""
    if extension not in FORMATS:
        raise ImageNotFound("There is no such picture.")
    output_format = FORMATS[extension]
    grid = await parts.grids.fetch(grid_id, viewer)
    etag = parts.sheets.etag(grid, output_format)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if read_conditions(request).has(etag):
        return Response(None, 304, headers)
    content = await parts.sheets.get(grid, output_format)
    if request.method == "HEAD":
        headers["Content-Length"] = str(len(content))
        content = b""
    return Response(content, 200, headers, CONTENT_TYPES[output_format])
