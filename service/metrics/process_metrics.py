"""What one service process counts for itself: its requests, and the webhooks that it delivered.

Knows Prometheus; knows nothing of Redis. It begins anew with the process, and several processes are added up.
"""

from importlib.metadata import version
from platform import python_version
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, disable_created_metrics

from contract import keys
from service.webhooks.retries import Outcome


class ProcessMetrics:
    """One for each process. Every label has few values, whatever clients send."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
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
            buckets=[float(bound) for bound in keys.SECONDS_BUCKETS],
            registry=self.registry,
        )
        self._webhooks = Counter(
            "darkroom_webhook_deliveries", "Attempts to deliver a webhook.", ["outcome"], registry=self.registry
        )
        for outcome in get_args(Outcome):
            self._webhooks.labels(outcome)
        Info("darkroom_build", "What runs.", registry=self.registry).info(
            {"version": version("darkroom"), "python": python_version()}
        )

    def request_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template of the path, never the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route, method).observe(seconds)

    def webhook_attempted(self, outcome: Outcome) -> None:
        """To be called once for each attempt."""
        self._webhooks.labels(outcome).inc()
