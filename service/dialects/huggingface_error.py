"""How Hugging Face's inference clients are told of an error. Knows statuses; knows nothing of routes."""

from http import HTTPStatus

from starlette.responses import JSONResponse, Response

from service.errors import QueueFull, ServiceError


def huggingface_error(error: ServiceError) -> Response:
    """As their clients show it. The one for JavaScript sends a request again where the status is 503: at once, and for
    ever."""
    status = error.status
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        status = HTTPStatus.TOO_MANY_REQUESTS if isinstance(error, QueueFull) else HTTPStatus.BAD_GATEWAY
    return JSONResponse({"error": error.detail, "code": error.code}, int(status), error.headers)
