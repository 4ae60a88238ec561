"""Renders every error as problem+json (RFC 9457), the framework's own included.

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

from contract.errors import ParametersRefused, Refusal, StoreError
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


async def _service_error(_: Request, error: ServiceError) -> JSONResponse:
    return problem(error)


async def _parameters_refused(_: Request, error: ParametersRefused) -> JSONResponse:
    return problem(ValidationFailed(error.refusals))


async def _request_validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
    refusals = [
        Refusal("/" + "/".join(str(part) for part in item["loc"][1:]), f"{item['msg']} ({item['loc'][0]})")
        for item in error.errors()
    ]
    return problem(ValidationFailed(refusals))


async def _http_exception(request: Request, error: HTTPException) -> JSONResponse:
    if isinstance(error.__cause__, ServiceError):  # the framework has read a body that BoundedBody refused
        return problem(error.__cause__)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(NotFound("There is nothing here."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(MethodNotAllowed(allowed_methods(request.scope)))
    framework = ServiceError(error.detail, error.headers)
    framework.status = HTTPStatus(error.status_code)
    framework.code = f"http_{error.status_code}"
    return problem(framework)


async def _redis_error(_: Request, error: Exception) -> JSONResponse:
    log.warning("queue_unavailable", error=error)
    return problem(QueueUnavailable("The queue does not answer."))


async def _store_error(_: Request, error: Exception) -> JSONResponse:
    log.warning("store_unavailable", error=error)
    return problem(StoreUnavailable("The image store does not answer."))


async def _client_gone(_: Request, _error: Exception) -> Response:
    # Before its request was whole, so nothing was done; and nobody is there to read why.
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    log.error("unforeseen_error", exc_info=error)
    # The framework raises it again, and the server then drops the connection: the client must not use it again.
    return problem(ServiceError("An error that nobody foresaw; the service's log holds it.", {"Connection": "close"}))
