"""GET /jobs: the caller's jobs, newest first, page by page."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from contract.errors import Refusal
from contract.job import Job, JobStatus
from contract.parameters import MAX_LABELS
from service.dependencies import WithOwner, WithParts
from service.errors import ValidationFailed
from service.jobs.job_queue import Filter
from service.routes.problems import problem_responses

MAX_LIMIT = 100

router = APIRouter()


class JobList(BaseModel):
    """One page. It can hold fewer jobs than asked for, and still have a next one, where few of many jobs match."""

    jobs: list[Job]
    next_cursor: str | None


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=40, description="`next_cursor` of the page before")]
Statuses = Annotated[list[JobStatus], Query(description="any of these")]
ModelId = Annotated[str | None, Query(max_length=100)]
LabelPairs = Annotated[list[str], Query(max_length=MAX_LABELS, description="`name:value`; all of these")]


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="Jobs, newest first",
    response_class=Response,
    responses={200: {"model": JobList}, **problem_responses(401, 421, 422, 503)},
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
    jobs, rest = await parts.queue.page(owner, limit, _decode(cursor), wanted)
    page = JobList(jobs=jobs, next_cursor=None if rest is None else _encode(rest))
    headers = {"Cache-Control": "no-store"}
    if page.next_cursor:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        headers["Link"] = f'</jobs?{urlencode([*query, ("cursor", page.next_cursor)])}>; rel="next"'
    return Response(page.model_dump_json(), 200, headers, "application/json")


def _pair(index: int, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValidationFailed([Refusal(f"/label/{index}", "must be name:value (query)")])
    return name, value


def _encode(number: int) -> str:
    return urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (Error, ValueError):
        number = ""
    if not re.fullmatch(r"[0-9]{1,15}", number):
        raise ValidationFailed([Refusal("/cursor", "must be the next_cursor of a page (query)")])
    return int(number)
