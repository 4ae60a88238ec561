"""GET /grids: the caller's grids, newest first, page by page."""

from fastapi import Request, Response
from pydantic import BaseModel

from contract.grid import GridSummary
from service.dependencies import WithOwner, WithParts
from service.openapi.headers import answer_headers
from service.openapi.links import GRID_LIST_LINKS
from service.routes.answers import answer
from service.routes.paging import Cursor, Limit, decode_cursor, encode_cursor, page_headers
from service.routes.problems import problem_responses
from service.routes.router import api_router

router = api_router("grids")


class GridList(BaseModel):
    """One page. It can hold fewer grids than asked for, and still have a next one, where they have very many cells."""

    grids: list[GridSummary]
    next_cursor: str | None


@router.get(
    "/grids",
    operation_id="list_grids",
    summary="Grids without their cells, newest first",
    response_class=Response,
    responses={
        200: {
            "model": GridList,
            "description": "A page.",
            "headers": answer_headers("Cache-Control", "Link"),
            "links": GRID_LIST_LINKS,
        },
        **problem_responses(503),
    },
)
async def list_grids(
    request: Request, owner: WithOwner, parts: WithParts, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    """A page stays the same while grids arrive: they are on the pages before. The next page is in `Link`, too."""
    records, rest = await parts.grids.page(owner, limit, decode_cursor(cursor))
    grids = [record.summary(parts.signed_urls.sign) for record in records]
    page = GridList(grids=grids, next_cursor=encode_cursor(rest))
    return answer(page, 200, page_headers(request, page.next_cursor))
