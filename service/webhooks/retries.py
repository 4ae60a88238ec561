"""What follows from a receiver's answer: whether to try again, and when.

Computes alone; knows neither Redis nor HTTP clients.
"""

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

Outcome = Literal["delivered", "retried", "failed", "stopped"]
"""Of one try: taken by its receiver; to be tried again; given up; no longer wanted."""

DELAYS_SECONDS = (5, 30, 300, 1800, 3600, 7200, 14400, 21600, 28800, 36000)
"""After each try. Ten come within 21.6 hours, and so within the default retention of a job; one more 10 hours later."""
_JITTER = 0.1
_ASKS_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_MAX_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True)
class Answer:
    """How a receiver answered: with a status, or not, for a reason. `retry_after_seconds` is what it asked for."""

    status_code: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None


def outcome_of(answer: Answer, tries: int) -> Outcome:
    """After that many tries, this one included."""
    status = answer.status_code
    if status is not None and 200 <= status < 300:
        return "delivered"
    if status == HTTPStatus.GONE:
        return "stopped"
    return "retried" if tries <= len(DELAYS_SECONDS) else "failed"


def seconds_until_next(answer: Answer, tries: int, scale: float) -> float:
    """After a try that is `retried`. What the receiver asked for is heeded up to an hour, and never shortens it."""
    seconds = DELAYS_SECONDS[tries - 1] * scale * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret
    if answer.status_code in _ASKS_TO_WAIT and answer.retry_after_seconds is not None:
        return max(seconds, min(answer.retry_after_seconds, _MAX_RETRY_AFTER_SECONDS))
    return seconds
