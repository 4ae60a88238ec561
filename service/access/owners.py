"""Who a request comes from, and so whose its job is. Knows nothing of keys, files or HTTP."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """A job belongs to its owner's name. A limit that is None is the service's own."""

    name: str
    max_queued_jobs: int | None = None
    requests_per_minute: int | None = None
    max_cost: int | None = None


ANONYMOUS = Owner("anonymous")
"""Everybody, where the service asks for no key."""
