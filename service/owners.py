"""Whose a job is. Knows nothing of how a client shows who it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """The holder of an API key; a bound that is None is the service's own."""

    name: str
    max_queued_jobs: int | None = None
    requests_per_minute: int | None = None
    max_cost: int | None = None


ANONYMOUS = Owner("anonymous")
"""Everybody, where there are no keys."""
