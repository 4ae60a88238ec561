"""What the answer to every submit says in headers. Knows what came of it; knows nothing of what was asked."""

from typing import Any

from service.headers.allowance import rate_limit_headers
from service.jobs.submission import Submitted

SUBMISSION_HEADERS = ("Location", "Cache-Control", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed")
"""As the API document names them."""


def submission_headers(submitted: Submitted[Any]) -> dict[str, str]:
    replayed = {"Idempotent-Replayed": "true"} if submitted.replayed else {}
    return {**rate_limit_headers(submitted.allowance), **replayed}
