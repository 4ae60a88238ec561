"""POST /grids; GET /grids/{id}, with `?wait=`; POST /grids/{id}/cancel; DELETE /grids/{id}."""

from typing import Annotated, Any

from fastapi import Depends, Response

from contract.grid import Grid
from service.dependencies import WithOwner, WithParts
from service.grids.grid_request import GridRequest
from service.headers.idempotency import KEY_PARAMETER, IdempotencyKey
from service.openapi.headers import answer_headers
from service.openapi.links import GRID_LINKS
from service.routes.answers import answer
from service.routes.jobs import Wait
from service.routes.problems import problem_responses
from service.routes.router import api_router
from service.routes.submitted import SUBMISSION_HEADERS, submission_headers
from service.wire.json_body import json_body, json_request

router = api_router("grids")

_EXTRA: dict[str, Any] = {**json_request(GridRequest), "parameters": [KEY_PARAMETER]}
_GRID: dict[str, Any] = {
    "model": Grid,
    "description": "The grid.",
    "headers": answer_headers("Cache-Control"),
    "links": GRID_LINKS,
}


@router.post(
    "/grids",
    status_code=202,
    operation_id="create_grid",
    summary="Ask for a picture for each value, or pair of values, of a parameter or two",
    response_class=Response,
    responses={
        202: {
            "model": Grid,
            "description": "All in line, or made earlier by the same Idempotency-Key.",
            "headers": answer_headers(*SUBMISSION_HEADERS, "Retry-After"),
            "links": GRID_LINKS,
        },
        **problem_responses(410, 415, 429, 503, 507),
    },
    openapi_extra=_EXTRA,
)
async def create_grid(
    owner: WithOwner,
    idempotency_key: IdempotencyKey,
    asked: Annotated[GridRequest, Depends(json_body(GridRequest))],
    parts: WithParts,
) -> Response:
    """Puts a job for every cell in line, all or none. Poll its Location, or wait there with `?wait=`."""
    submitted = await parts.grids.submit(asked, owner, idempotency_key)
    headers = {"Location": f"/grids/{submitted.what.id}", "Retry-After": "1", **submission_headers(submitted)}
    return answer(submitted.what.grid(parts.signed_urls.sign), 202, headers)


@router.get(
    "/grids/{grid_id}",
    operation_id="get_grid",
    summary="A grid and its cells",
    response_class=Response,
    responses={200: _GRID, **problem_responses(404, 410, 503)},
)
async def get_grid(grid_id: str, owner: WithOwner, parts: WithParts, wait: Wait = 0) -> Response:
    """How far it is, and for each cell its job, picture and timings. `wait` holds until all of its jobs have ended."""
    grid = await (parts.grids.wait(grid_id, owner, wait) if wait else parts.grids.fetch(grid_id, owner))
    return answer(grid.grid(parts.signed_urls.sign))


@router.post(
    "/grids/{grid_id}/cancel",
    operation_id="cancel_grid",
    summary="Cancel every job of a grid that has not ended",
    response_class=Response,
    responses={200: _GRID, **problem_responses(404, 410, 503)},
)
async def cancel_grid(grid_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """Repeatable. Queued jobs end at once, running ones at their next step; ended ones stay as they are."""
    grid = await parts.grids.cancel(grid_id, owner)
    return answer(grid.grid(parts.signed_urls.sign))


@router.delete(
    "/grids/{grid_id}",
    status_code=204,
    operation_id="delete_grid",
    summary="Delete a grid with its jobs and their pictures",
    response_class=Response,
    responses={204: {"description": "Gone."}, **problem_responses(404, 409, 410, 503)},
)
async def delete_grid(grid_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """For ever: from now on it is a 404, and so are its jobs. All of them must have ended."""
    await parts.grids.delete(grid_id, owner)
    return Response(status_code=204)
