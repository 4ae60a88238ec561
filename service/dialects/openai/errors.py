"""An error as OpenAI's clients read it: `{"error": {message, type, param, code}}`, with the status that they know.

Knows our codes and OpenAI's; knows nothing of routes. What the client sent is never echoed.
"""

from http import HTTPStatus

from starlette.responses import JSONResponse

from contract.errors import Refusal
from service.errors import NotFound, ServiceError

_CODES = {
    "unauthorized": "invalid_api_key",
    "not_found": "unknown_url",
    "prompt_refused": "moderation_blocked",
    "image_filtered": "moderation_blocked",
}
"""Ours -> OpenAI's; all others are told as they are."""
_FIELDS = {"width": "size", "height": "size", "num_images_per_prompt": "n"}
"""The same of fields."""
_BAD_REQUEST = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT)
"""A 422 is none of OpenAI's; after a 409, which a canceled job is, many clients try again whatever they are told."""
_ANOTHER_TRY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
"""Statuses after which the same request may be taken. None of them is that of a job which failed."""


class ModelNotFound(NotFound):
    """`refusals` say which models are on offer."""

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("There is no such model.")
        self.refusals = refusals


def openai_error(error: ServiceError) -> JSONResponse:
    """The answer. OpenAI's own clients try again after 408, 409, 429 and 5xx unless it says that they should not."""
    status = HTTPStatus.BAD_REQUEST if error.status in _BAD_REQUEST else error.status
    headers = dict(error.headers)
    if error.status not in _ANOTHER_TRY and error.code != ServiceError.code:
        headers["x-should-retry"] = "false"
    return JSONResponse({"error": error_object(error)}, int(status), headers)


def error_object(error: ServiceError) -> dict[str, str | None]:
    """What stands under `error`, also in the middle of a stream."""
    return {
        "message": "; ".join(map(_told, error.refusals)) or error.detail,
        "type": _type(error),
        "param": _field(error.refusals[0]) if error.refusals else None,
        "code": "model_not_found" if isinstance(error, ModelNotFound) else _CODES.get(error.code, error.code),
    }


def _field(refusal: Refusal) -> str | None:
    """As the client calls it; None for the body as a whole."""
    name = refusal.pointer.partition("/")[2]
    return _FIELDS.get(name, name) or None


def _told(refusal: Refusal) -> str:
    field, name = _field(refusal), refusal.pointer.partition("/")[2]
    side = f"{name} " if name in ("width", "height") else ""  # of the two that are `size`
    return f"{field or 'body'}: {side}{refusal.detail}"


def _type(error: ServiceError) -> str:
    if _CODES.get(error.code) == "moderation_blocked":
        return "image_generation_user_error"
    if error.status is HTTPStatus.UNAUTHORIZED:
        return "authentication_error"  # LiteLLM takes any other for a bad request
    if error.status is HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "server_error" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
