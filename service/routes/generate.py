"""POST /generate: takes a request, or says field by field why not."""

import secrets
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from redis.exceptions import RedisError

from contract.errors import Refusal
from contract.job import Job
from contract.parameters import JobRequest, highest_seed
from service.dependencies import WithOwner, WithParts
from service.errors import InvalidJson, UnsupportedMediaType, ValidationFailed
from service.headers.allowance import rate_limit_headers
from service.headers.idempotency import MAX_KEY_LENGTH, IdempotencyKey
from service.headers.preferences import MAX_WAIT_SECONDS, PreferredWait
from service.request_body import media_type, read_body
from service.routes.problems import problem_responses

MAX_BODY_BYTES = 64 * 1024

router = APIRouter()


async def job_request(request: Request) -> JobRequest:
    """The body, parsed and validated in one strict pass: not a number, half a surrogate or bad UTF-8 never get in."""
    if media_type(request) != "application/json":
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        return JobRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> InvalidJson | ValidationFailed:
    problems = error.errors(include_url=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return InvalidJson(f"The body is not JSON: {problems[0]['ctx']['error']}.")
    return ValidationFailed(
        [Refusal(_pointer(problem["loc"]), problem["msg"].removeprefix("Value error, ")) for problem in problems]
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    if location[-1:] == ("[key]",):  # pydantic's way to say that it is the name of the field, not its value
        location = location[:-1]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


_EXTRA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": JobRequest.model_json_schema()}},
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key and body within a day give the same job.",
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
        },
        {
            "name": "Prefer",
            "in": "header",
            "description": f"`wait=N`: hold the answer up to N seconds, at most {MAX_WAIT_SECONDS}, for the job's end.",
            "schema": {"type": "string"},
        },
    ],
}


@router.post(
    "/generate",
    status_code=202,
    operation_id="generate",
    summary="Ask for pictures",
    response_class=Response,
    responses={
        200: {"model": Job, "description": "Waited for, as `Prefer: wait=` asked, and ended."},
        202: {"model": Job, "description": "In line, or made earlier by the same Idempotency-Key."},
        **problem_responses(400, 401, 403, 408, 410, 413, 415, 421, 422, 429, 503, 507),
    },
    openapi_extra=_EXTRA,
)
async def generate(
    owner: WithOwner,
    idempotency_key: IdempotencyKey,
    wait: PreferredWait,
    asked: Annotated[JobRequest, Depends(job_request)],
    parts: WithParts,
) -> Response:
    """Puts a job in line and answers at once. Poll its Location, or wait there with `?wait=`, or here with Prefer."""
    seed = secrets.randbelow(highest_seed(asked.num_images_per_prompt) + 1)
    parameters = parts.catalog.choose(asked.model).complete(asked, seed)
    submitted = await parts.submission.submit(asked, parameters, owner, idempotency_key)
    job = submitted.job
    headers = {"Location": f"/jobs/{job.id}", "Cache-Control": "no-store", **rate_limit_headers(submitted.allowance)}
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if wait is not None:
        with suppress(RedisError):  # the job is in line all the same
            job = await parts.queue.wait(job.id, owner, wait)
        if job.status.ended:
            headers["Preference-Applied"] = f"wait={wait}"
            return Response(job.model_dump_json(), 200, headers, "application/json")
    return Response(job.model_dump_json(), 202, headers | {"Retry-After": "1"}, "application/json")
