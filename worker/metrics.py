"""What one worker process tells of itself: where its jobs' time goes, its memory, and how its models are laid out.

Knows Prometheus; knows nothing of torch or Redis. It begins anew with the process, and several workers are added up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import psutil
import structlog
from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contract.job import Timings
from contract.metrics import SECONDS_BUCKETS, process_registry
from contract.rung import Rung
from contract.worker_state import ModelState
from worker.memory_report import DeviceMemory

log = structlog.get_logger("darkroom.worker")

_LOADED_SECONDS = 0.01
"""To find a model that is warm takes less; that is no load."""
_BATCHES = (1, 2, 4, 8, 16, 32)


class Memory(Protocol):
    """What can be asked of the models of one process, by any thread."""

    def device_memory(self) -> DeviceMemory:
        """Now. Raises RuntimeError where the device does not answer."""

    def ran_out(self) -> Mapping[tuple[str, Rung], int]:
        """How often memory ran out, by model and rung, since the process began."""


States = Callable[[], Mapping[str, ModelState]]
"""How every model stands, by its id."""


class WorkerMetrics:
    """One for each process. The only label that is no constant is the model, which is always one of the catalog."""

    def __init__(self) -> None:
        self.registry = process_registry()
        self._load_seconds = self._seconds("load", "To load a job's model, or to move it to the device.")
        self._denoise_seconds = self._seconds("denoise", "A job's denoising.")
        self._decode_seconds = self._seconds("decode", "A job's decodes.")
        self._store_seconds = self._seconds("store", "To encode a job's images and to store them.")
        self._batch_images = Histogram(
            "darkroom_batch_images", "Images of one pipeline call.", ["model"], buckets=_BATCHES, registry=self.registry
        )

    def called(self, model: str, batches: Sequence[int]) -> None:
        """How many images each of a batch's pipeline calls had."""
        for images in batches:
            self._batch_images.labels(model).observe(images)

    def job_drawn(self, model: str, timings: Timings) -> None:
        """Where a job's time went."""
        if timings.load_seconds is not None and timings.load_seconds >= _LOADED_SECONDS:
            self._load_seconds.labels(model).observe(timings.load_seconds)
        for histogram, seconds in (
            (self._denoise_seconds, timings.denoise_seconds),
            (self._decode_seconds, timings.decode_seconds),
            (self._store_seconds, timings.store_seconds),
        ):
            histogram.labels(model).observe(seconds or 0.0)

    def watch(self, memory: Memory, states: States) -> None:
        """From now on these are asked at every scrape. To be called once."""
        self.registry.register(_Watched(memory, states))

    def _seconds(self, what: str, documentation: str) -> Histogram:
        name = f"darkroom_{what}_seconds"
        return Histogram(name, documentation, ["model"], buckets=SECONDS_BUCKETS, registry=self.registry)


class _Watched(Collector):
    """What is looked up when it is asked for, on the thread that asks."""

    def __init__(self, memory: Memory, states: States) -> None:
        self._memory = memory
        self._states = states

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "darkroom_worker_resident_bytes", "The process's memory.", value=psutil.Process().memory_info().rss
        )
        yield from self._device()
        yield self._ran_out()
        yield self._rungs()

    def _device(self) -> Iterator[Metric]:
        try:
            memory = self._memory.device_memory()
        except RuntimeError as error:
            log.warning("device_memory_unknown", error=error)
            return
        gauges = {
            "used": ("Of the device's memory, taken by everybody.", memory.used_bytes),
            "allocated": ("By this process's tensors; 0 where PyTorch does not count.", memory.allocated_bytes),
            "limit": ("What this process may take.", memory.limit_bytes),
            "total": ("What the device has.", memory.total_bytes),
        }
        for name, (documentation, value) in gauges.items():
            yield GaugeMetricFamily(f"darkroom_device_memory_{name}_bytes", documentation, value=value)

    def _ran_out(self) -> Metric:
        family = CounterMetricFamily(
            "darkroom_out_of_memory", "Times that memory ran out, by the rung on which.", labels=["model", "rung"]
        )
        for (model, rung), times in self._memory.ran_out().items():
            family.add_metric([model, rung.value], times)
        return family

    def _rungs(self) -> Metric:
        family = GaugeMetricFamily(
            "darkroom_model_rung", "1 for the rung of each model in memory.", labels=["model", "rung"]
        )
        for model, state in self._states().items():
            if state.rung is not None and state.state != "cold":
                family.add_metric([model, state.rung.value], 1)
        return family
