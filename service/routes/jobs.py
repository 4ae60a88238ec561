"""GET /jobs/{id}, with `?wait=`; POST /jobs/{id}/cancel; DELETE /jobs/{id}."""

import re
from typing import Annotated, Any

from fastapi import Query, Request, Response

from contract.job import Job
from service.dependencies import WithOwner, WithParts, owner_of, parts_of
from service.headers.preferences import MAX_WAIT_SECONDS
from service.openapi.headers import answer_headers
from service.openapi.links import JOB_LINKS
from service.routes.answers import answer
from service.routes.problems import problem_responses
from service.routes.router import api_router, shortcut

_JOB: dict[str, Any] = {
    "model": Job,
    "description": "The job.",
    "headers": answer_headers("Cache-Control"),
    "links": JOB_LINKS,
}

router = api_router("jobs")

Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False, description="hold up to this many seconds for the end")
]

_PLAIN_WAIT = re.compile(rb"(?:wait=([1-5]?[0-9]))?")


async def _plainly(request: Request) -> Response | None:
    owner, wait = await owner_of(request), _PLAIN_WAIT.fullmatch(request.scope["query_string"])
    if owner is None or wait is None:
        return None
    return await get_job(request.path_params["job_id"], owner, await parts_of(request), float(wait[1] or 0))


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    summary="The whole truth about a job",
    response_class=Response,
    responses={200: _JOB, **problem_responses(404, 410, 503)},
)
@shortcut(_plainly)
async def get_job(job_id: str, owner: WithOwner, parts: WithParts, wait: Wait = 0) -> Response:
    """Status, place in line, progress, effective parameters, images, error and timings in one answer."""
    return answer(await (parts.queue.wait(job_id, owner, wait) if wait else parts.queue.fetch(job_id, owner)))


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a queued or running job",
    response_class=Response,
    responses={200: _JOB, **problem_responses(404, 410, 503)},
)
async def cancel_job(job_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """Repeatable. A queued job ends at once, a running one at its next step; an ended job stays as it is."""
    return answer(await parts.queue.cancel(job_id, owner))


@router.delete(
    "/jobs/{job_id}",
    status_code=204,
    operation_id="delete_job",
    summary="Delete an ended job and its pictures",
    response_class=Response,
    responses={204: {"description": "Gone."}, **problem_responses(404, 409, 410, 503)},
)
async def delete_job(job_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """For ever: from now on it is a 404. A job that has not ended must be canceled first."""
    await parts.queue.delete(job_id, owner)
    return Response(status_code=204)
