"""POST /generate: takes a request, or says field by field why not."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from redis.exceptions import RedisError

from contract.job import Job
from contract.parameters import JobRequest
from service.dependencies import WithOwner, WithParts, owner_of, parts_of
from service.headers.idempotency import KEY_PARAMETER, IdempotencyKey, idempotency_key
from service.headers.preferences import MAX_WAIT_SECONDS, preferred_wait
from service.jobs.completion import draw_seed
from service.openapi.headers import answer_headers
from service.openapi.links import JOB_LINKS
from service.routes.answers import answer
from service.routes.problems import problem_responses
from service.routes.router import api_router, shortcut
from service.routes.submitted import SUBMISSION_HEADERS, submission_headers
from service.wire.json_body import json_body, json_request

router = api_router("jobs")

_EXTRA: dict[str, Any] = {
    **json_request(JobRequest),
    "parameters": [
        KEY_PARAMETER,
        {
            "name": "Prefer",
            "in": "header",
            "description": f"`wait=N`: hold the answer up to N seconds, at most {MAX_WAIT_SECONDS}, for the job's end.",
            "schema": {"type": "string"},
        },
    ],
}


_body = json_body(JobRequest)


async def _plainly(request: Request) -> Response | None:
    owner = await owner_of(request)
    if owner is None or request.scope["query_string"]:
        return None
    key = await idempotency_key(request)
    return await generate(request, owner, key, await _body(request), await parts_of(request))


@router.post(
    "/generate",
    status_code=202,
    operation_id="generate",
    summary="Ask for pictures",
    response_class=Response,
    responses={
        200: {
            "model": Job,
            "description": "Waited for, as `Prefer: wait=` asked, and ended.",
            "headers": answer_headers(*SUBMISSION_HEADERS, "Preference-Applied"),
            "links": JOB_LINKS,
        },
        202: {
            "model": Job,
            "description": "In line, or made earlier by the same Idempotency-Key.",
            "headers": answer_headers(*SUBMISSION_HEADERS, "Retry-After"),
            "links": JOB_LINKS,
        },
        **problem_responses(410, 415, 429, 503, 507),
    },
    openapi_extra=_EXTRA,
)
@shortcut(_plainly)
async def generate(
    request: Request,
    owner: WithOwner,
    key: IdempotencyKey,
    asked: Annotated[JobRequest, Depends(_body)],
    parts: WithParts,
) -> Response:
    """Puts a job in line and answers at once. Poll its Location, or wait there with `?wait=`, or here with Prefer."""
    completed = parts.completion.complete(asked, draw_seed(asked.num_images_per_prompt))
    submitted = await parts.submission.submit(asked, completed, owner, key)
    job = submitted.what
    headers = {"Location": f"/jobs/{job.id}", **submission_headers(submitted)}
    wait = preferred_wait(request)
    if wait is not None:
        with suppress(RedisError):  # the job is in line all the same
            job = await parts.queue.wait(job.id, owner, wait)
        if job.status.ended:
            headers["Preference-Applied"] = f"wait={wait}"
            return answer(job, 200, headers)
    return answer(job, 202, headers | {"Retry-After": "1"})
