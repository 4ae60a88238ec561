"""Renders every error, the framework's own included: as problem+json (RFC 9457), or in the form of a dialect.

Knows statuses and codes; knows nothing of routes. What the client sent is never echoed.
"""

from http import HTTPStatus

import redis.exceptions
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from contract.errors import ParametersRefused, Refusal, StoreError
from service.dialects.error_forms import error_form
from service.errors import (
    MethodNotAllowed,
    NotFound,
    QueueUnavailable,
    ServiceError,
    StoreUnavailable,
    ValidationFailed,
)
from service.wire.every_method import allowed_methods

log = structlog.get_logger("darkroom.service")

PROBLEM_TYPE = "application/problem+json"
_TITLES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "URI Too Long",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "Range Not Satisfiable",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
"""Of RFC 9110, where Python's own differ between its versions."""


def problem(error: ServiceError) -> JSONResponse:
    """The problem document of an error."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(error.status, error.status.phrase),
        "status": int(error.status),
        "code": error.code,
        "detail": error.detail,
    }
    if error.refusals:
        document["errors"] = [refusal._asdict() for refusal in error.refusals]
    return JSONResponse(document, int(error.status), error.headers, PROBLEM_TYPE)


def answer_error(scope: Scope, error: ServiceError) -> Response:
    """The error in the form that whoever asks at that path can read."""
    return (error_form(scope["path"]) or problem)(error)


def install_exception_handlers(app: FastAPI) -> None:
    """From here on no error leaves the app in any other form."""
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(ParametersRefused)(_parameters_refused)
    app.exception_handler(RequestValidationError)(_request_validation_error)
    app.exception_handler(HTTPException)(_http_exception)
    app.exception_handler(redis.exceptions.RedisError)(_redis_error)
    app.exception_handler(StoreError)(_store_error)
    app.exception_handler(ClientDisconnect)(_client_gone)
    app.exception_handler(Exception)(_unforeseen)


async def _service_error(request: Request, error: ServiceError) -> Response:
    return answer_error(request.scope, error)


async def _parameters_refused(request: Request, error: ParametersRefused) -> Response:
    return answer_error(request.scope, ValidationFailed(error.refusals))


async def _request_validation_error(request: Request, error: RequestValidationError) -> Response:
    refusals = [
        Refusal("/" + "/".join(str(part) for part in item["loc"][1:]), f"{item['msg']} ({item['loc'][0]})")
        for item in error.errors()
    ]
    return answer_error(request.scope, ValidationFailed(refusals))


async def _http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, ServiceError):  # the framework has read a body that BoundedBody refused
        return answer_error(request.scope, error.__cause__)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer_error(request.scope, NotFound("There is nothing here."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return answer_error(request.scope, MethodNotAllowed(allowed_methods(request.scope)))
    framework = ServiceError(error.detail, error.headers)
    framework.status = HTTPStatus(error.status_code)
    framework.code = f"http_{error.status_code}"
    return answer_error(request.scope, framework)


async def _redis_error(request: Request, error: Exception) -> Response:
    log.warning("queue_unavailable", error=error)
    return answer_error(request.scope, QueueUnavailable("The queue does not answer."))


async def _store_error(request: Request, error: Exception) -> Response:
    log.warning("store_unavailable", error=error)
    return answer_error(request.scope, StoreUnavailable("The image store does not answer."))


async def _client_gone(_: Request, _error: Exception) -> Response:
    # Nobody is there to read why.
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("unforeseen_error", exc_info=error)
    # The framework raises it again, and the server then drops the connection: the client must not use it again.
    unforeseen = ServiceError("An error that nobody foresaw; the service's log holds it.", {"Connection": "close"})
    return answer_error(request.scope, unforeseen)
