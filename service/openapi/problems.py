"""The problem documents of the API document: for each status the codes that it can have, as the service writes them.

Each error of service/errors.py stands here once, made as it is raised; a test finds one that does not.
"""

import json
from typing import Any

from contract.errors import Refusal
from service import errors
from service.exception_handlers import PROBLEM_TYPE, problem
from service.openapi.headers import EVERY_ANSWER, answer_headers

_WAIT_SECONDS = 2
_RATE = {"RateLimit-Policy": '"submit";q=60;w=60', "RateLimit": '"submit";r=0;t=60'}

EXAMPLES: tuple[errors.ServiceError, ...] = (
    errors.InvalidRequest("This is no HTTP/1.1 request that can be taken."),
    errors.InvalidJson("The body is not JSON: EOF while parsing an object at line 1 column 1."),
    errors.Unauthorized("A key is needed, as `Authorization: Bearer <key>`.", wrong_key=False),
    errors.OriginRefused("A web page of another origin must not send this request."),
    errors.NotFound("There is nothing here."),
    errors.JobNotFound("There is no such job."),
    errors.GridNotFound("There is no such grid."),
    errors.ImageNotFound("There is no such picture."),
    errors.MethodNotAllowed(["GET", "HEAD", "OPTIONS"]),
    errors.HeadTooSlow("The head must have come within 30 seconds."),
    errors.BodyTooSlow("The body must have come within 30 seconds."),
    errors.JobNotEnded("Only a job that has ended can be deleted: cancel it first."),
    errors.GridNotEnded("Only a grid whose jobs have all ended can be deleted: cancel it first."),
    errors.NothingToRedeliver("The job has no webhook."),
    errors.JobExpired("The job is no longer kept."),
    errors.GridExpired("The grid is no longer kept."),
    errors.BodyTooLarge("The body must be at most 65536 bytes."),
    errors.TargetTooLong("Path and query must be at most 32768 bytes."),
    errors.UnsupportedMediaType("The Content-Type must be application/json, its charset UTF-8."),
    errors.RangeNotSatisfiable(18123),
    errors.HostRefused("The Host header must be a loopback address or listed in DARKROOM_ALLOWED_HOSTS."),
    errors.ValidationFailed([Refusal("/width", "must be at most 256 for model 'pocket'")]),
    errors.PromptRefused([Refusal("/prompt", "holds what this service does not draw")]),
    errors.NotAnImage("The body is no PNG, JPEG or WebP."),
    errors.NoParametersFound("It holds no parameters that Darkroom can read."),
    errors.IdempotencyKeyReused("The Idempotency-Key was used for another request."),
    errors.RateExceeded("You may submit 60 jobs in a minute.", _WAIT_SECONDS, _RATE),
    errors.TooManyQueuedJobs("You may have at most 1000 jobs in line.", _WAIT_SECONDS),
    errors.HeadTooLarge("The head of a request must be at most 131072 bytes."),
    errors.ServiceError("An error that nobody foresaw; the service's log holds it."),
    errors.ImageUnreadable("The stored picture cannot be decoded."),
    errors.InspectionsBusy("As many pictures are being sent as are taken at once.", _WAIT_SECONDS),
    errors.QueueFull("There may be at most 10000 jobs in line.", _WAIT_SECONDS),
    errors.QueueUnavailable("The queue does not answer."),
    errors.StoreUnavailable("The image store does not answer."),
    errors.StorageFull("No room for more pictures: 1000000000 bytes are stored, and 1000000000 may be.", _WAIT_SECONDS),
)


def problem_components() -> dict[int, dict[str, Any]]:
    """For each status that an error has the response that all operations share."""
    statuses = sorted({int(error.status) for error in EXAMPLES})
    return {status: _component([error for error in EXAMPLES if error.status == status]) for status in statuses}


def _component(found: list[errors.ServiceError]) -> dict[str, Any]:
    headers = {name for error in found for name in error.headers} - {"Connection"}
    component: dict[str, Any] = {
        "description": " or ".join(f"`{error.code}`" for error in found),
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {error.code: {"value": json.loads(bytes(problem(error).body))} for error in found},
            }
        },
    }
    component["headers"] = answer_headers(*sorted(headers)) | EVERY_ANSWER
    return component
