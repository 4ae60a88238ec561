"""POST /generate: takes a request, or says field by field why not."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from contract.errors import Refusal
from contract.job import Job
from contract.parameters import GenerationRequest, highest_seed
from service.dependencies import WithParts
from service.errors import BodyTooLarge, InvalidJson, UnsupportedMediaType, ValidationFailed
from service.routes.problems import problem_responses

MAX_BODY_BYTES = 64 * 1024

router = APIRouter()


async def generation_request(request: Request) -> GenerationRequest:
    """The body, parsed and validated in one strict pass: not a number, half a surrogate or bad UTF-8 never get in."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"The body must be at most {MAX_BODY_BYTES} bytes.")
    try:
        return GenerationRequest.model_validate_json(bytes(body))
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
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": GenerationRequest.model_json_schema()}},
    }
}


@router.post(
    "/generate",
    status_code=202,
    operation_id="generate",
    summary="Ask for pictures",
    response_class=Response,
    responses={202: {"model": Job, "description": "In line."}, **problem_responses(400, 403, 413, 415, 421, 422, 503)},
    openapi_extra=_BODY,
)
async def generate(asked: Annotated[GenerationRequest, Depends(generation_request)], parts: WithParts) -> Response:
    """Puts a job in line and answers at once. Poll its Location, or wait there with `?wait=`."""
    seed = secrets.randbelow(highest_seed(asked.num_images_per_prompt) + 1)
    parameters = parts.catalog.choose(asked.model).complete(asked, seed)
    job = await parts.queue.submit(parameters)
    headers = {"Location": f"/jobs/{job.id}", "Retry-After": "1", "Cache-Control": "no-store"}
    return Response(job.model_dump_json(), 202, headers, "application/json")
