"""What all processes share in Redis, as Prometheus has it: the line, the jobs' ends, the workers, the pictures.

Whichever process is asked tells the same, so these are never added up. Knows Redis and Prometheus; knows nothing of
HTTP.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import redis.asyncio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from contract import keys, scripts
from contract.errors import JobFailed
from contract.job import JobStatus
from service.workers import WORKER_STATES, worker_reports

OTHER = "other"
"""Every model that is on offer no more, and every code of a failure that is none of ours."""
_TAKEOVERS = ("requeued", "failed", "canceled")
_FAILURES = (*(failure.code for failure in JobFailed.__subclasses__()), "worker_crashed")


@dataclass(frozen=True)
class Snapshot:
    """Redis at one moment, as scripts/metrics.lua tells it."""

    seconds: float
    counters: Mapping[str, str]
    queue_depth: int
    oldest_age_seconds: float
    running: int
    stored_bytes: int
    workers: Mapping[str, str]


class SnapshotReader:
    """One round trip to Redis for each snapshot."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._script = client.register_script(scripts.METRICS)

    async def read(self) -> Snapshot:
        """Raises RedisError."""
        seconds, counters, depth, oldest, running, stored, workers = await self._script()
        return Snapshot(float(seconds), _pairs(counters), depth, float(oldest), running, int(stored), _pairs(workers))


class SharedMetrics(Collector):
    """One snapshot, for the models on offer; any other model counts as OTHER."""

    def __init__(self, snapshot: Snapshot, models: Sequence[str]) -> None:
        self._snapshot = snapshot
        self._models = models
        self._counters: dict[str, dict[tuple[str, ...], float]] = {}
        for field, value in snapshot.counters.items():
            metric, *labels = field.split("|")
            self._counters.setdefault(metric, {})[tuple(labels)] = float(value)

    def collect(self) -> Iterator[Metric]:
        """Every metric, with a zero for each label that is known beforehand: a rate needs a beginning."""
        yield self._submitted()
        yield self._ended()
        yield self._counter("job_failures", "Jobs that failed.", "code", _FAILURES)
        yield self._counter(
            "lease_takeovers", "Leases taken back from workers that died or froze.", "outcome", _TAKEOVERS
        )
        yield self._histogram("queue_wait_seconds", "From a job's submit to its first claim.", keys.SECONDS_BUCKETS)
        yield self._histogram(
            "eta_error_seconds",
            "How far a succeeded job's end was from what its submit was told.",
            keys.SECONDS_BUCKETS,
        )
        yield self._histogram(
            "eta_ratio", "A succeeded job's seconds, over those that its submit was told.", keys.RATIO_BUCKETS
        )
        yield _gauge("queue_depth", "Jobs in line.", self._snapshot.queue_depth)
        yield _gauge(
            "queue_oldest_age_seconds", "How long the oldest job in line has waited.", self._snapshot.oldest_age_seconds
        )
        yield _gauge("running_jobs", "Jobs that a worker has.", self._snapshot.running)
        yield _gauge("stored_bytes", "Pictures of all jobs.", self._snapshot.stored_bytes)
        yield self._workers()

    def _submitted(self) -> Metric:
        family = CounterMetricFamily("darkroom_jobs_submitted", "Jobs put in line.", labels=["model"])
        for model, number in self._numbers("jobs_submitted", self._models).items():
            family.add_metric([model], number)
        return family

    def _ended(self) -> Metric:
        family = CounterMetricFamily("darkroom_jobs_ended", "Jobs that ended.", labels=["status", "model"])
        for status in filter(lambda status: status.ended, JobStatus):
            for model, number in self._numbers("jobs_ended", self._models, status.value).items():
                family.add_metric([status.value, model], number)
        return family

    def _counter(self, metric: str, documentation: str, label: str, known: Sequence[str]) -> Metric:
        family = CounterMetricFamily(f"darkroom_{metric}", documentation, labels=[label])
        for value, number in self._numbers(metric, known).items():
            family.add_metric([value], number)
        return family

    def _numbers(self, metric: str, known: Sequence[str], *before: str) -> dict[str, float]:
        """By the last label, whose values are known; `before` are the labels before it."""
        numbers = dict.fromkeys(known, 0.0)
        for (*others, value), number in self._counters.get(metric, {}).items():
            if others == list(before):
                name = value if value in known else OTHER
                numbers[name] = numbers.get(name, 0.0) + number
        return numbers

    def _histogram(self, metric: str, documentation: str, bounds: Sequence[str]) -> Metric:
        counted = self._counters.get(metric, {})
        sums = accumulate(counted.get((bound,), 0.0) for bound in (*bounds, "+Inf"))
        buckets = list(zip([*(str(float(bound)) for bound in bounds), "+Inf"], sums, strict=True))
        family = HistogramMetricFamily(f"darkroom_{metric}", documentation)
        family.add_metric([], buckets, counted.get(("sum",), 0.0))
        return family

    def _workers(self) -> Metric:
        family = GaugeMetricFamily("darkroom_workers", "Workers heard of in the last five minutes.", labels=["state"])
        states = Counter(worker.state for worker in worker_reports(self._snapshot.workers, self._snapshot.seconds))
        for state in WORKER_STATES:
            family.add_metric([state], states[state])
        return family


def _gauge(metric: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"darkroom_{metric}", documentation, value=value)


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
