"""How a request can end other than well. Each error carries its status and its stable code.

    ServiceError
    ├── InvalidJson             400 invalid_json
    ├── Unauthorized            401 unauthorized
    ├── OriginRefused           403 cross_origin_refused
    ├── JobNotFound             404 job_not_found
    ├── ImageNotFound           404 image_not_found
    ├── BodyTooSlow             408 body_too_slow
    ├── JobNotEnded             409 job_not_ended
    ├── JobExpired              410 job_expired
    ├── BodyTooLarge            413 body_too_large
    ├── UnsupportedMediaType    415 unsupported_media_type
    ├── RangeNotSatisfiable     416 range_not_satisfiable
    ├── HostRefused             421 host_not_allowed
    ├── ValidationFailed        422 validation_failed
    ├── IdempotencyKeyReused    422 idempotency_key_reused
    ├── TooManyRequests         429
    │   ├── RateExceeded            rate_exceeded
    │   └── TooManyQueuedJobs       too_many_queued_jobs
    ├── ImageUnreadable         500 image_unreadable
    ├── Unavailable             503
    │   ├── QueueFull               queue_full
    │   ├── QueueUnavailable        queue_unavailable
    │   └── StoreUnavailable        store_unavailable
    └── StorageFull             507 storage_full

Knows nothing of how they are rendered: that is exception_handlers.
"""

from http import HTTPStatus

from contract.errors import Refusal


class ServiceError(Exception):
    """A request that is answered with a problem document."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.refusals: list[Refusal] = []
        self.headers: dict[str, str] = {}


class InvalidJson(ServiceError):
    status = HTTPStatus.BAD_REQUEST
    code = "invalid_json"


class Unauthorized(ServiceError):
    """No key was shown, or one that is not in force. The challenge is RFC 6750's."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"

    def __init__(self, detail: str, *, wrong_key: bool) -> None:
        super().__init__(detail)
        reason = ', error="invalid_token"' if wrong_key else ""
        self.headers = {"WWW-Authenticate": f'Bearer realm="darkroom"{reason}'}


class BodyTooSlow(ServiceError):
    """Whoever sends a body bit by bit holds a connection; it is closed."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body_too_slow"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"Connection": "close"}


class BodyTooLarge(ServiceError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class UnsupportedMediaType(ServiceError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class RangeNotSatisfiable(ServiceError):
    """The part that the request asks for is not in the `size` bytes there are."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"Range must name a part of the {size} bytes there are, and at most ten.")
        self.headers = {"Content-Range": f"bytes */{size}"}


class ValidationFailed(ServiceError):
    """`refusals` names every field that cannot be taken."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "validation_failed"

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("; ".join(f"{refusal.pointer or 'body'}: {refusal.detail}" for refusal in refusals))
        self.refusals = refusals


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


class IdempotencyKeyReused(ServiceError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"


class TooManyRequests(ServiceError):
    """The owner's own bound; `retry_after` is in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class TooManyQueuedJobs(TooManyRequests):
    code = "too_many_queued_jobs"


class RateExceeded(TooManyRequests):
    code = "rate_exceeded"

    def __init__(self, detail: str, retry_after: int, rate_limit_headers: dict[str, str]) -> None:
        super().__init__(detail, retry_after)
        self.headers |= rate_limit_headers


class ImageNotFound(ServiceError):
    status = HTTPStatus.NOT_FOUND
    code = "image_not_found"


class ImageUnreadable(ServiceError):
    """What is in the store is no picture that another format or size can be made from."""

    code = "image_unreadable"


class Unavailable(ServiceError):
    """Something that the service needs does not answer; asking again later may do."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class QueueFull(Unavailable):
    """The bound on all owners together."""

    code = "queue_full"


class QueueUnavailable(Unavailable):
    code = "queue_unavailable"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class StorageFull(ServiceError):
    """There is no room for more pictures; there will be when others have gone."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage_full"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": "10"}
