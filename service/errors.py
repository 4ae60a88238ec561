"""How a request can end other than well. Each error carries its status and its stable code.

    ServiceError
    ├── InvalidRequest          400 invalid_request
    ├── InvalidJson             400 invalid_json
    ├── Unauthorized            401 unauthorized
    ├── OriginRefused           403 cross_origin_refused
    ├── NotFound                404 not_found
    ├── JobNotFound             404 job_not_found
    ├── GridNotFound            404 grid_not_found
    ├── ImageNotFound           404 image_not_found
    ├── MethodNotAllowed        405 method_not_allowed
    ├── HeadTooSlow             408 head_too_slow
    ├── BodyTooSlow             408 body_too_slow
    ├── JobNotEnded             409 job_not_ended
    ├── GridNotEnded            409 grid_not_ended
    ├── NothingToRedeliver      409 nothing_to_redeliver
    ├── JobExpired              410 job_expired
    ├── GridExpired             410 grid_expired
    ├── BodyTooLarge            413 body_too_large
    ├── TargetTooLong           414 target_too_long
    ├── UnsupportedMediaType    415 unsupported_media_type
    ├── RangeNotSatisfiable     416 range_not_satisfiable
    ├── HostRefused             421 host_not_allowed
    ├── NoParametersFound       422 no_parameters_found
    ├── NotAnImage              422 not_an_image
    ├── ValidationFailed        422 validation_failed
    │   └── PromptRefused       422 prompt_refused
    ├── IdempotencyKeyReused    422 idempotency_key_reused
    ├── HeadTooLarge            431 head_too_large
    ├── ImageUnreadable         500 image_unreadable
    └── TryLater                with Retry-After
        ├── RateExceeded        429 rate_exceeded
        ├── TooManyQueuedJobs   429 too_many_queued_jobs
        ├── InspectionsBusy     503 inspections_busy
        ├── QueueFull           503 queue_full
        ├── QueueUnavailable    503 queue_unavailable
        ├── StoreUnavailable    503 store_unavailable
        └── StorageFull         507 storage_full

Knows nothing of how they are rendered: that is exception_handlers.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Literal

from contract.errors import Refusal


class ServiceError(Exception):
    """A request that is answered with a problem document."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.refusals: list[Refusal] = []
        self.headers = headers or {}


class InvalidRequest(ServiceError):
    """What came is no HTTP/1.1 request; the connection is closed."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid_request"


class InvalidJson(ServiceError):
    status = HTTPStatus.BAD_REQUEST
    code = "invalid_json"


class Unauthorized(ServiceError):
    """No key was shown, or one that is not in force. The challenge is RFC 6750's, or RFC 7617's."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"

    def __init__(self, detail: str, *, wrong_key: bool, scheme: Literal["Bearer", "Basic"] = "Bearer") -> None:
        reason = ', error="invalid_token"' if wrong_key and scheme == "Bearer" else ""
        super().__init__(detail, {"WWW-Authenticate": f'{scheme} realm="darkroom"{reason}'})


class NotFound(ServiceError):
    """There is nothing under that path."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class MethodNotAllowed(ServiceError):
    """`methods` are all that the path has."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, methods: Sequence[str]) -> None:
        allow = ", ".join(methods)
        super().__init__(f"This path takes {allow}.", {"Allow": allow})


class HeadTooSlow(ServiceError):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "head_too_slow"


class BodyTooSlow(ServiceError):
    """Whoever sends a body bit by bit holds a connection; it is closed."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body_too_slow"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"Connection": "close"})


class BodyTooLarge(ServiceError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class TargetTooLong(ServiceError):
    """The path with its query does not fit into a head."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG
    code = "target_too_long"


class UnsupportedMediaType(ServiceError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class RangeNotSatisfiable(ServiceError):
    """The part that the request asks for is not in the `size` bytes there are."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        detail = f"Range must name a part of the {size} bytes there are, and at most ten."
        super().__init__(detail, {"Content-Range": f"bytes */{size}"})


class ValidationFailed(ServiceError):
    """`refusals` names every field that cannot be taken."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "validation_failed"

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("; ".join(f"{refusal.pointer or 'body'}: {refusal.detail}" for refusal in refusals))
        self.refusals = refusals


class NotAnImage(ServiceError):
    """What was sent to be inspected is no file that can be."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "not_an_image"


class NoParametersFound(ServiceError):
    """The image does not say how it was made."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "no_parameters_found"


class PromptRefused(ValidationFailed):
    """The operator's policy does not allow this prompt. It is not said for which term: that would teach a way round."""

    code = "prompt_refused"


class HostRefused(ServiceError):
    status = HTTPStatus.MISDIRECTED_REQUEST
    code = "host_not_allowed"


class OriginRefused(ServiceError):
    status = HTTPStatus.FORBIDDEN
    code = "cross_origin_refused"


class JobNotFound(ServiceError):
    status = HTTPStatus.NOT_FOUND
    code = "job_not_found"


class JobExpired(ServiceError):
    """There was such a job; its time to be kept is over."""

    status = HTTPStatus.GONE
    code = "job_expired"


class JobNotEnded(ServiceError):
    status = HTTPStatus.CONFLICT
    code = "job_not_ended"


class GridNotFound(ServiceError):
    status = HTTPStatus.NOT_FOUND
    code = "grid_not_found"


class GridExpired(ServiceError):
    """There was such a grid; none of its jobs is kept any more."""

    status = HTTPStatus.GONE
    code = "grid_expired"


class GridNotEnded(ServiceError):
    status = HTTPStatus.CONFLICT
    code = "grid_not_ended"


class NothingToRedeliver(ServiceError):
    """The job has no webhook, or nothing has happened that it was to tell."""

    status = HTTPStatus.CONFLICT
    code = "nothing_to_redeliver"


class IdempotencyKeyReused(ServiceError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"


class ImageNotFound(ServiceError):
    status = HTTPStatus.NOT_FOUND
    code = "image_not_found"


class HeadTooLarge(ServiceError):
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    code = "head_too_large"


class ImageUnreadable(ServiceError):
    """What is in the store is no picture that another format or size can be made from."""

    code = "image_unreadable"


class TryLater(ServiceError):
    """What cannot be done now may be done in `retry_after` seconds."""

    def __init__(self, detail: str, retry_after: int = 2, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after), **(headers or {})})


class RateExceeded(TryLater):
    """The owner's own bound, as is that of TooManyQueuedJobs."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_exceeded"


class TooManyQueuedJobs(TryLater):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_queued_jobs"


class InspectionsBusy(TryLater):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "inspections_busy"


class QueueFull(TryLater):
    """The bound on all owners together."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "queue_full"


class QueueUnavailable(TryLater):
    """Redis does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "queue_unavailable"


class StoreUnavailable(TryLater):
    """The image store does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "store_unavailable"


class StorageFull(TryLater):
    """There is no room for more pictures; there will be when others have gone."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage_full"
