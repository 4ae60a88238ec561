"""What the metrics of service and worker have in common. Knows Prometheus; knows nothing of what is counted."""

from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry, Info, disable_created_metrics

from contract import keys

SECONDS_BUCKETS = tuple(float(bound) for bound in keys.SECONDS_BUCKETS)
"""The upper bounds of every histogram of durations."""


def process_registry() -> CollectorRegistry:
    """For the metrics of one process; it says already what runs there."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    build = {"version": version("darkroom"), "python": python_version()}
    Info("darkroom_build", "What runs.", registry=registry).info(build)
    return registry
