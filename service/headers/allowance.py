"""How many jobs an owner may still submit, and how that stands in headers.

As in the IETF draft draft-ietf-httpapi-ratelimit-headers-10. Knows nothing of how it is counted.
"""

from dataclasses import dataclass

_WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Allowance:
    """Of submits in a minute: how many, how many are left, and seconds until all are there again."""

    quota: int
    left: int
    whole_in_seconds: int


def rate_limit_headers(allowance: Allowance | None) -> dict[str, str]:
    """None where an owner may submit as many as it likes."""
    if allowance is None:
        return {}
    return {
        "RateLimit-Policy": f'"submit";q={allowance.quota};w={_WINDOW_SECONDS}',
        "RateLimit": f'"submit";r={allowance.left};t={allowance.whole_in_seconds}',
    }
