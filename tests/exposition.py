"""What a process tells under /metrics, read by Prometheus's own parser."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import wait_until

_NO_LABELS_OF_THEIR_OWN = {"le"}


@dataclass(frozen=True)
class Exposition:
    """One scrape."""

    metrics: list[Metric]

    @property
    def types(self) -> dict[str, str]:
        """By the name that a metric is asked for: of a counter with its `_total`."""
        return {name_of(metric): metric.type for metric in self.metrics}

    @property
    def labels(self) -> dict[str, set[str]]:
        """By the same name, of all its samples."""
        return {
            name_of(metric): {label for sample in metric.samples for label in sample.labels} - _NO_LABELS_OF_THEIR_OWN
            for metric in self.metrics
        }

    @property
    def series(self) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        """Name and labels of every sample."""
        return {(each.name, frozenset(each.labels.items())) for metric in self.metrics for each in metric.samples}

    def value(self, name: str, **labels: Any) -> float:
        """The sum of the samples with these labels among theirs; 0 where there is none."""
        return sum(
            sample.value
            for metric in self.metrics
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def name_of(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def read(text: str) -> Exposition:
    return Exposition(list(text_string_to_metric_families(text)))


def scrape(url: str) -> Exposition:
    """Of a service or of a worker, by its address."""
    answer = httpx.get(f"{url}/metrics", trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def scrape_port(port: int) -> Exposition:
    """Of a worker, as soon as somebody answers there."""

    def answer() -> Exposition | None:
        try:
            return scrape(f"http://127.0.0.1:{port}")
        except httpx.TransportError:
            return None

    exposition: Exposition = wait_until(answer, 20)
    return exposition


def names(expositions: Iterable[Exposition]) -> set[str]:
    """Of all their samples, as an expression would ask for them."""
    return {name for exposition in expositions for name, _ in exposition.series}
