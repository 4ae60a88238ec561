"""What one service process counts for itself: its requests, and the webhooks that it delivered.

Knows Prometheus; knows nothing of Redis. It begins anew with the process, and several processes are added up.
"""

from typing import get_args

from prometheus_client import Counter, Histogram

from contract.metrics import SECONDS_BUCKETS, process_registry
from service.webhooks.retries import Outcome


class ProcessMetrics:
    """One for each process. Every label has few values, whatever clients send."""

    def __init__(self) -> None:
        self.registry = process_registry()
        self._requests = Counter(
            "darkroom_http_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "darkroom_http_request_duration_seconds",
            "From a request's head to its answer's; what was waited for counts, a body that is sent does not.",
            ["route", "method"],
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self._webhooks = Counter(
            "darkroom_webhook_deliveries", "Attempts to deliver a webhook.", ["outcome"], registry=self.registry
        )
        for outcome in get_args(Outcome):
            self._webhooks.labels(outcome)

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template of the path, never the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route, method).observe(seconds)

    def webhook_attempted(self, outcome: Outcome) -> None:
        """To be called once for each attempt."""
        self._webhooks.labels(outcome).inc()
