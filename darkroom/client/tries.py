"""When a request is sent once more, and how long after. Knows errors; sends nothing and waits for nothing."""

import math
import random
import time

from darkroom.client.errors import CannotConnect, DarkroomError, Problem

_PASSING = frozenset((408, 429, 502, 503, 504))
"""Statuses of what may be over soon. 507 is none: pictures go when they expire."""
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 8.0
_LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A service that asks for more is taken at its word: the error is raised, and says how long."""
_DOUBLINGS = 10
"""More make no difference, and a number too large for a float."""


class Tries:
    """The failed tries of one request.

    Enough is after `most` tries, or so many `seconds` after the first failed. Pauses grow exponentially with full
    jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS 2015), on top of `Retry-After`.
    """

    def __init__(self, most: float = math.inf, seconds: float = math.inf) -> None:
        self._most = most
        self._seconds = seconds
        self._since: float | None = None
        self.failed = 0

    def pause_after(self, error: DarkroomError) -> float:
        """Seconds until the next try. Raises the error where it does not pass by itself, and when it is enough."""
        self.failed += 1
        self._since = self._since or time.monotonic()
        left = self._since + self._seconds - time.monotonic()
        asked_for = (error.retry_after_seconds or 0.0) if isinstance(error, Problem) else 0.0
        if self.failed >= self._most or left <= 0 or not _passes(error) or asked_for > _LONGEST_RETRY_AFTER_SECONDS:
            raise error
        longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(self.failed - 1, _DOUBLINGS))
        return min(left, asked_for + random.uniform(0, longest))  # noqa: S311  # no secret


def _passes(error: DarkroomError) -> bool:
    return isinstance(error, CannotConnect) or (isinstance(error, Problem) and error.status in _PASSING)
