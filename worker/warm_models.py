"""The models in memory: on the device first, then in the CPU's memory, the one used longest ago out first.

Knows layouts and how much is free; knows nothing of jobs, and not which layout is right.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from contract.model import Model
from worker.device import Device, host_available_bytes
from worker.memory_plan import Estimate, Layout, Room
from worker.pipeline import LoadedPipeline, Setup

log = structlog.get_logger("darkroom.worker")

_HOST_RESERVE_BYTES = 1024**3
"""Of the CPU's memory, left to everybody else."""

Load = Callable[[Model, Setup], LoadedPipeline]


@dataclass
class _Entry:
    loaded: LoadedPipeline
    weight_bytes: int
    resident_bytes: int
    """On the device, while it is not parked."""
    checker_bytes: int
    """In the CPU's memory, wherever the rest is."""
    parked: bool = False

    @property
    def layout(self) -> Layout:
        return self.loaded.setup.layout


class WarmModels:
    """At most one pipeline for each model."""

    def __init__(self, device: Device, load: Load) -> None:
        self._device = device
        self._load = load
        self._entries: dict[str, _Entry] = {}
        """Least recently used first."""

    def use(self, model: Model, setup: Setup, estimate: Estimate, peak_bytes: int) -> LoadedPipeline:
        """The model's pipeline, set up like that, with room on the device for a run of that peak.

        Raises CatalogError and torch.OutOfMemoryError; the model is then not loaded.
        """
        if model.id in self._entries and self._entries[model.id].loaded.setup != setup:
            self.drop(model.id)
        entry = self._entries.pop(model.id, None)
        if entry is None:
            entry = self._load_entry(model, setup, estimate, peak_bytes)
        elif entry.parked:
            self._make_room(setup, peak_bytes)
            entry.loaded.pipeline.to(setup.execution_device)
            entry.parked = False
            log.info("model_unparked", model=model.id, device=setup.execution_device)
        else:
            self._make_room(setup, peak_bytes - entry.resident_bytes)
        self._entries[model.id] = entry
        return entry.loaded

    def layout(self, model_id: str) -> Layout | None:
        """How the model is laid out; None where it is not loaded."""
        entry = self._entries.get(model_id)
        return entry.layout if entry else None

    def state(self, model_id: str) -> Literal["warm", "in_memory", "cold"]:
        entry = self._entries.get(model_id)
        if entry is None:
            return "cold"
        return "in_memory" if entry.parked else "warm"

    def drop(self, model_id: str) -> None:
        """Lets a model go, wherever it is."""
        if self._entries.pop(model_id, None):
            log.info("model_dropped", model=model_id)
            self._device.collect()

    def room(self) -> Room:
        """What is free, and what would be if all the others made way."""
        host_bytes = host_available_bytes() + self.host_bytes
        if self._device.has_own_memory:
            return Room(self._device.free_bytes + self._resident_bytes, host_bytes)
        limit_bytes = self._device.limit_bytes
        return Room(self._device.free_bytes + self._resident_bytes, min(host_bytes, limit_bytes or host_bytes))

    @property
    def host_bytes(self) -> int:
        """Of all models' weights in the CPU's memory."""
        weights = sum(entry.weight_bytes for entry in self._entries.values() if self._is_in_host_memory(entry))
        return weights + sum(entry.checker_bytes for entry in self._entries.values())

    @property
    def _resident_bytes(self) -> int:
        return sum(entry.resident_bytes for entry in self._entries.values() if not entry.parked)

    def _is_in_host_memory(self, entry: _Entry) -> bool:
        return entry.parked or entry.layout is not Layout.ON_DEVICE or not self._device.has_own_memory

    def _load_entry(self, model: Model, setup: Setup, estimate: Estimate, peak_bytes: int) -> _Entry:
        self._make_room(setup, peak_bytes)
        checker_bytes = estimate.footprint.checker_bytes
        self._make_host_room(estimate.weight_bytes(setup.layout) + checker_bytes)
        log.debug("model_loading", model=model.id, layout=setup.layout)
        started = time.monotonic()
        loaded = self._load(model, setup)
        seconds = round(time.monotonic() - started, 3)
        log.info("model_loaded", model=model.id, layout=setup.layout, device=setup.execution_device, seconds=seconds)
        return _Entry(loaded, estimate.weight_bytes(setup.layout), estimate.resident_bytes(setup.layout), checker_bytes)

    def _make_room(self, setup: Setup, needed_bytes: int) -> None:
        """Parks models, or lets them go, until that much is free where the pipeline computes."""
        if setup.layout is Layout.CPU or not self._device.has_own_memory:
            self._make_host_room(needed_bytes)
            return
        for model_id in list(self._entries):
            if self._device.free_bytes >= needed_bytes:
                return
            self._park(model_id)

    def _make_host_room(self, needed_bytes: int) -> None:
        for model_id in list(self._entries):
            if host_available_bytes() >= needed_bytes + _HOST_RESERVE_BYTES:
                return
            if self._is_in_host_memory(self._entries[model_id]):
                self.drop(model_id)

    def _park(self, model_id: str) -> None:
        """Off the device: into the CPU's memory where there is room, else away."""
        entry = self._entries[model_id]
        if entry.parked or not entry.resident_bytes:
            return
        if entry.layout is Layout.ON_DEVICE and self._has_host_room(entry.weight_bytes):
            log.info("model_parked", model=model_id)
            entry.loaded.pipeline.to("cpu", silence_dtype_warnings=True)
            entry.parked = True
            self._device.collect()
            return
        del entry
        self.drop(model_id)

    def _has_host_room(self, needed_bytes: int) -> bool:
        self._make_host_room(needed_bytes)
        return host_available_bytes() >= needed_bytes + _HOST_RESERVE_BYTES
