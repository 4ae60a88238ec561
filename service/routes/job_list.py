"""GET /jobs: the caller's jobs, newest first, page by page."""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel

from contract.errors import Refusal
from contract.job import Job, JobStatus
from contract.parameters import MAX_LABELS
from service.dependencies import WithOwner, WithParts
from service.errors import ValidationFailed
from service.jobs.job_queue import Filter
from service.openapi.headers import answer_headers
from service.openapi.links import JOB_LIST_LINKS
from service.routes.answers import answer
from service.routes.paging import Cursor, Limit, decode_cursor, encode_cursor, page_headers
from service.routes.problems import problem_responses
from service.routes.router import api_router

router = api_router("jobs")


class JobList(BaseModel):
    """One page. It can hold fewer jobs than asked for, and still have a next one, where few of many jobs match."""

    jobs: list[Job]
    next_cursor: str | None


Statuses = Annotated[list[JobStatus], Query(description="any of these")]
ModelId = Annotated[str | None, Query(max_length=100)]
LabelPairs = Annotated[list[str], Query(max_length=MAX_LABELS, description="`name:value`; all of these")]


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="Jobs, newest first",
    response_class=Response,
    responses={
        200: {
            "model": JobList,
            "description": "A page.",
            "headers": answer_headers("Cache-Control", "Link"),
            "links": JOB_LIST_LINKS,
        },
        **problem_responses(503),
    },
)
async def list_jobs(
    request: Request,
    owner: WithOwner,
    parts: WithParts,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: Statuses = [],  # noqa: B006  # FastAPI copies it
    model: ModelId = None,
    label: LabelPairs = [],  # noqa: B006
) -> Response:
    """A page stays the same while jobs arrive: they are on the pages before. The next page is in `Link`, too."""
    wanted = Filter(tuple(status), model, tuple(_pair(index, text) for index, text in enumerate(label)))
    jobs, rest = await parts.queue.page(owner, limit, decode_cursor(cursor), wanted)
    page = JobList(jobs=jobs, next_cursor=encode_cursor(rest))
    return answer(page, 200, page_headers(request, page.next_cursor))


def _pair(index: int, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValidationFailed([Refusal(f"/label/{index}", "must be name:value (query)")])
    return name, value
