"""GET /jobs/{id}, with `?wait=`, and POST /jobs/{id}/cancel."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from contract.job import Job
from service.dependencies import WithParts
from service.errors import JobNotFound
from service.routes.problems import problem_responses

MAX_WAIT_SECONDS = 60

router = APIRouter()

Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False, description="hold up to this many seconds for the end")
]


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    summary="The whole truth about a job",
    response_class=Response,
    responses={200: {"model": Job}, **problem_responses(404, 421, 422, 503)},
)
async def get_job(job_id: str, parts: WithParts, wait: Wait = 0) -> Response:
    """Status, place in line, progress, effective parameters, images, error and timings in one answer."""
    return _answer(job_id, await (parts.queue.wait(job_id, wait) if wait else parts.queue.fetch(job_id)))


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a queued or running job",
    response_class=Response,
    responses={200: {"model": Job}, **problem_responses(403, 404, 421, 422, 503)},
)
async def cancel_job(job_id: str, parts: WithParts) -> Response:
    """Repeatable. A queued job ends at once, a running one at its next step; an ended job stays as it is."""
    return _answer(job_id, await parts.queue.cancel(job_id))


def _answer(job_id: str, job: Job | None) -> Response:
    if job is None:
        raise JobNotFound(f"There is no job {job_id[:64]!r}.")
    return Response(job.model_dump_json(), 200, {"Cache-Control": "no-store"}, "application/json")
