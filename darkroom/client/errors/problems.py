"""Answers of the service that are an error: problem documents (RFC 9457). What to do for each is in docs/api.md."""

from collections.abc import Sequence
from typing import ClassVar

from darkroom.client.errors.base import DarkroomError
from darkroom.client.records import FieldProblem


class Problem(DarkroomError):
    """The service said no.

    `code` is stable, `detail` is for people, `errors` names the fields that cannot be taken. `retry_after_seconds` is
    when to ask again, if the answer said so; `request_id` names the request in the service's log. Neither what was
    sent nor the API key stands in it.
    """

    by_code: ClassVar[dict[str, type["Problem"]]] = {}
    by_status: ClassVar[dict[int, type["Problem"]]] = {}
    """For a code that is not known here."""

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None) -> None:
        if status is not None:
            Problem.by_status[status] = cls
        if code is not None:
            Problem.by_code[code] = cls

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, detail, errors, retry_after_seconds, request_id)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"


def problem_class(status: int, code: str) -> type[Problem]:
    """That of the code; for one that is not known here, that of the status."""
    fallback = ServerError if status >= 500 else Problem
    return Problem.by_code.get(code) or Problem.by_status.get(status, fallback)


class BadRequest(Problem, status=400):
    pass


class InvalidRequest(BadRequest, code="invalid_request"):
    """No HTTP/1.1, or two servers could read it differently."""


class InvalidJson(BadRequest, code="invalid_json"):
    pass


class Unauthorized(Problem, status=401, code="unauthorized"):
    """No key was shown, or none in force."""


class Forbidden(Problem, status=403):
    pass


class OriginRefused(Forbidden, code="cross_origin_refused"):
    pass


class NotFound(Problem, status=404, code="not_found"):
    """There is no such address; is `base_url` right?"""


class JobNotFound(NotFound, code="job_not_found"):
    """There never was such a job, it was deleted, or it is another owner's."""


class GridNotFound(NotFound, code="grid_not_found"):
    """There never was such a grid, it was deleted, or it is another owner's."""


class ImageNotFound(NotFound, code="image_not_found"):
    pass


class MethodNotAllowed(Problem, status=405, code="method_not_allowed"):
    pass


class RequestTimeout(Problem, status=408):
    pass


class HeadTooSlow(RequestTimeout, code="head_too_slow"):
    pass


class BodyTooSlow(RequestTimeout, code="body_too_slow"):
    pass


class Conflict(Problem, status=409):
    pass


class JobNotEnded(Conflict, code="job_not_ended"):
    """Only an ended job can be deleted: cancel it first."""


class GridNotEnded(Conflict, code="grid_not_ended"):
    """Only a grid whose jobs have ended can be deleted."""


class NothingToRedeliver(Conflict, code="nothing_to_redeliver"):
    pass


class Gone(Problem, status=410):
    pass


class JobExpired(Gone, code="job_expired"):
    """The job was kept for its time."""


class GridExpired(Gone, code="grid_expired"):
    """None of the grid's jobs is kept any more."""


class BodyTooLarge(Problem, status=413, code="body_too_large"):
    pass


class TargetTooLong(Problem, status=414, code="target_too_long"):
    pass


class UnsupportedMediaType(Problem, status=415, code="unsupported_media_type"):
    pass


class RangeNotSatisfiable(Problem, status=416, code="range_not_satisfiable"):
    pass


class HostRefused(Problem, status=421, code="host_not_allowed"):
    """Without keys the service answers under its own names alone."""


class Unprocessable(Problem, status=422):
    pass


class ValidationFailed(Unprocessable, code="validation_failed"):
    """`errors` names each field that cannot be taken, and why."""


class PromptRefused(ValidationFailed, code="prompt_refused"):
    """The operator's policy does not allow the prompt."""


class IdempotencyKeyReused(Unprocessable, code="idempotency_key_reused"):
    """Another request came with this key before."""


class NoParametersFound(Unprocessable, code="no_parameters_found"):
    """The picture does not say how it was made."""


class NotAnImage(Unprocessable, code="not_an_image"):
    """The file is no PNG, JPEG or WebP."""


class TooManyRequests(Problem, status=429):
    pass


class RateExceeded(TooManyRequests, code="rate_exceeded"):
    """Your submits of a minute are used up."""


class TooManyQueuedJobs(TooManyRequests, code="too_many_queued_jobs"):
    """As many of your jobs are in line as may be."""


class HeadTooLarge(Problem, status=431, code="head_too_large"):
    pass


class ServerError(Problem, status=500):
    """Also of any other status from 500 on that is not listed here."""


class InternalError(ServerError, code="internal_error"):
    """Nobody foresaw it; the service's log has it, under `request_id`."""


class ImageUnreadable(ServerError, code="image_unreadable"):
    """The file in the store is damaged."""


class Unavailable(ServerError, status=503):
    pass


class InspectionsBusy(Unavailable, code="inspections_busy"):
    pass


class QueueFull(Unavailable, code="queue_full"):
    """The line is as long as it may be."""


class QueueUnavailable(Unavailable, code="queue_unavailable"):
    """Redis does not answer."""


class StoreUnavailable(Unavailable, code="store_unavailable"):
    """The image store does not answer."""


class StorageFull(ServerError, status=507, code="storage_full"):
    """There is no room for more pictures. Not tried again: it may take long."""
