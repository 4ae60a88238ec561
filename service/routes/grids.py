"""POST /grids; GET /grids/{id}, with `?wait=`; POST /grids/{id}/cancel; DELETE /grids/{id}."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from contract.grid import Grid, GridRecord
from service.dependencies import Parts, WithOwner, WithParts
from service.grids.grid_request import GridRequest
from service.headers.idempotency import KEY_PARAMETER, IdempotencyKey
from service.routes.jobs import Wait
from service.routes.json_body import body_schema, read_json
from service.routes.problems import problem_responses
from service.routes.submitted import submission_headers

router = APIRouter()

_EXTRA: dict[str, Any] = {"requestBody": body_schema(GridRequest), "parameters": [KEY_PARAMETER]}


async def grid_request(request: Request) -> GridRequest:
    return await read_json(request, GridRequest)


@router.post(
    "/grids",
    status_code=202,
    operation_id="create_grid",
    summary="Ask for a picture for each value, or pair of values, of a parameter or two",
    response_class=Response,
    responses={
        202: {"model": Grid, "description": "All in line, or made earlier by the same Idempotency-Key."},
        **problem_responses(400, 401, 403, 408, 410, 413, 415, 421, 422, 429, 503, 507),
    },
    openapi_extra=_EXTRA,
)
async def create_grid(
    owner: WithOwner,
    idempotency_key: IdempotencyKey,
    asked: Annotated[GridRequest, Depends(grid_request)],
    parts: WithParts,
) -> Response:
    """Puts a job for every cell in line, all or none. Poll its Location, or wait there with `?wait=`."""
    submitted = await parts.grids.submit(asked, owner, idempotency_key)
    headers = {"Location": f"/grids/{submitted.what.id}", "Retry-After": "1", **submission_headers(submitted)}
    return _answer(parts, submitted.what, 202, headers)


@router.get(
    "/grids/{grid_id}",
    operation_id="get_grid",
    summary="A grid and its cells",
    response_class=Response,
    responses={200: {"model": Grid}, **problem_responses(401, 404, 410, 421, 422, 503)},
)
async def get_grid(grid_id: str, owner: WithOwner, parts: WithParts, wait: Wait = 0) -> Response:
    """How far it is, and for each cell its job, picture and timings. `wait` holds until all of its jobs have ended."""
    return _answer(parts, await (parts.grids.wait(grid_id, owner, wait) if wait else parts.grids.fetch(grid_id, owner)))


@router.post(
    "/grids/{grid_id}/cancel",
    operation_id="cancel_grid",
    summary="Cancel every job of a grid that has not ended",
    response_class=Response,
    responses={200: {"model": Grid}, **problem_responses(401, 403, 404, 410, 421, 422, 503)},
)
async def cancel_grid(grid_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """Repeatable. Queued jobs end at once, running ones at their next step; ended ones stay as they are."""
    return _answer(parts, await parts.grids.cancel(grid_id, owner))


@router.delete(
    "/grids/{grid_id}",
    status_code=204,
    operation_id="delete_grid",
    summary="Delete a grid with its jobs and their pictures",
    response_class=Response,
    responses={204: {"description": "Gone."}, **problem_responses(401, 403, 404, 409, 410, 421, 422, 503)},
)
async def delete_grid(grid_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """For ever: from now on it is a 404, and so are its jobs. All of them must have ended."""
    await parts.grids.delete(grid_id, owner)
    return Response(status_code=204)


_NOT_KEPT = {"Cache-Control": "no-store"}


def _answer(parts: Parts, record: GridRecord, status: int = 200, headers: dict[str, str] = _NOT_KEPT) -> Response:
    return Response(record.grid(parts.signed_urls.sign).model_dump_json(), status, headers, "application/json")
