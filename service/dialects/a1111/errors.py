"""Errors as FastAPI tells them in the web UI: `detail` is a text, or a list that names fields in the web UI's words.

Knows both sets of names; knows nothing of what is refused.
"""

from typing import Any

from starlette.responses import JSONResponse

from contract.errors import Refusal
from service.errors import ServiceError

_WORDS: dict[str, list[str]] = {
    "clip_skip": ["override_settings", "CLIP_stop_at_last_layers"],
    "guidance_scale": ["cfg_scale"],
    "model": ["override_settings", "sd_model_checkpoint"],
    "num_images_per_prompt": ["batch_size"],
    "num_inference_steps": ["steps"],
    "style": ["styles"],
}
"""Of the fields of a job; the others are called the same."""


def a1111_error(error: ServiceError) -> JSONResponse:
    """The answer to a request that ended in this error."""
    detail = [_refused(refusal) for refusal in error.refusals] or error.detail
    return JSONResponse({"detail": detail}, int(error.status), error.headers)


def _refused(refusal: Refusal) -> dict[str, Any]:
    first, *rest = refusal.pointer.lstrip("/").split("/")
    source = "query" if refusal.detail.endswith("(query)") else "body"
    location = [source, *_WORDS.get(first, [first]), *rest]
    return {"type": "value_error", "loc": [each for each in location if each], "msg": refusal.detail}
