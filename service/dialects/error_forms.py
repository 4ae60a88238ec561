"""In which form an error is told, by the path that was asked for: each dialect has its own, all else problem+json.

Knows paths; the forms are the dialects'.
"""

import re
from collections.abc import Callable

from starlette.responses import Response

from service.dialects.a1111.errors import a1111_error
from service.dialects.huggingface_error import huggingface_error
from service.dialects.openai.errors import openai_error
from service.errors import ServiceError

ErrorForm = Callable[[ServiceError], Response]

_REPLICATE = r"(?:predictions|deployments|account|webhooks)(?:$|/)|models/[^/]+/[^/]+/(?:predictions|versions)(?:$|/)"
"""What is Replicate's below `/v1`, in problem+json."""
_FORMS: tuple[tuple[re.Pattern[str], ErrorForm], ...] = (
    (re.compile(rf"/v1(?:$|/(?!{_REPLICATE}))"), openai_error),  # OpenAI's Images API
    (re.compile("/sdapi/"), a1111_error),  # AUTOMATIC1111's web UI
    (re.compile("/huggingface(?:$|/)"), huggingface_error),  # Hugging Face
)
"""The first that fits, from the start of the path."""


def error_form(path: str) -> ErrorForm | None:
    """None where no dialect is spoken."""
    return next((form for pattern, form in _FORMS if pattern.match(path)), None)
