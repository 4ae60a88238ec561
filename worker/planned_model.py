"""One model on this device: what it weighs, on which rung a request is drawn, and its pipeline laid out like that.

Knows plans and pipelines; knows nothing of jobs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isqrt
from pathlib import Path

import torch

from contract.model import Model
from contract.parameters import GenerationParameters
from contract.rung import Rung
from worker.device import Device
from worker.footprint import Footprint
from worker.latent_colours import LatentColours
from worker.memory_plan import (
    Demand,
    DoesNotFit,
    Estimate,
    Layout,
    MemoryPlan,
    Phase,
    Room,
    largest_side,
    layout_of,
    plan_memory,
)
from worker.observed_memory import ModelMemory
from worker.pipeline import LoadedPipeline, Setup
from worker.warm_models import WarmModels

_STEP_UP_AFTER = 3
"""Requests in a row that a higher rung has room for, before the model is loaded anew for it: that takes seconds."""


class PlannedModel:
    """Made once for each model; what it learns lasts as long as the worker, or longer."""

    def __init__(
        self,
        model: Model,
        source: Path,
        footprint: Footprint,
        device: Device,
        ladder: tuple[Rung, ...],
        memory: ModelMemory,
        models: WarmModels,
        attention_slicing: bool,
        compiled: bool = False,
    ) -> None:
        self.model = model
        self.source = source
        self.footprint = footprint
        self.ladder = ladder
        self.memory = memory
        self.colours = LatentColours()
        self._device = device
        self._models = models
        self.compiled = compiled
        """Whether its denoiser is to be compiled, where its layout admits it."""
        self._attention_slicing = attention_slicing
        self._dtype = device.dtype(model.dtype)
        self._vae_in_float32 = footprint.vae_overflows and self._dtype is torch.float16
        self._seen_room = 0
        self.rung: Rung | None = None
        """Of the last run."""
        self.peak_bytes = 0
        """Of the last run, this model's own; 0 where torch does not count."""
        self.ran_out: dict[Rung, int] = {}
        """How often memory ran out, by rung."""

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.footprint, self._dtype.itemsize, self._vae_dtype.itemsize, self.memory)

    def demand(self, parameters: GenerationParameters, images: int | None = None) -> Demand:
        """Of that many images; of those that are asked for, if that is left open."""
        guided = self.model.is_guided(parameters.guidance_scale)
        images = images or parameters.num_images_per_prompt
        return Demand(images, parameters.width, parameters.height, guided)

    def default_demand(self) -> Demand:
        """Of one image at the model's defaults."""
        defaults = self.model.defaults
        return Demand(1, defaults.width, defaults.height, self.model.is_guided(defaults.guidance_scale))

    def plan(self, demand: Demand) -> MemoryPlan:
        """Where the model is loaded for less room than there is now, only after that has held for a while.

        Raises DoesNotFit.
        """
        self.peak_bytes = 0
        best = self.look_ahead(demand)
        layout = self._models.layout(self.model.id)
        below = [rung for rung in self.ladder if layout_of(rung) is layout]
        if not below or _is_no_higher(best.rung, below[0]):
            self._seen_room = 0
            return best
        self._seen_room += 1
        if self._seen_room > _STEP_UP_AFTER:
            self._seen_room = 0
            return best
        try:
            return plan_memory(self.estimate, demand, self._room(), self.ladder[self.ladder.index(below[0]) :])
        except DoesNotFit:
            return best

    def look_ahead(self, demand: Demand) -> MemoryPlan:
        """The plan for a request with all other models out of the way. Raises DoesNotFit."""
        return plan_memory(self.estimate, demand, self._room(), self.ladder)

    def draws_at_once(self, demand: Demand) -> bool:
        """Whether all its images are drawn by one pipeline call, on the rung on which one of them would be."""
        try:
            alone, together = self.look_ahead(replace(demand, images=1)), self.look_ahead(demand)
        except DoesNotFit:
            return False
        return (together.rung, together.batch_size) == (alone.rung, demand.images)

    def largest_side(self, demand: Demand) -> int | None:
        """The side of the largest square picture, no larger than the demanded one, that has room; in pixels."""
        most = min(isqrt(demand.pixels), self.model.limits.width, self.model.limits.height)
        return largest_side(self.estimate, self._room(), self.ladder, demand.guided, most)

    def pipeline(self, plan: MemoryPlan) -> LoadedPipeline:
        """Laid out as planned, with room made for it. Raises CatalogError and torch.OutOfMemoryError."""
        self.rung = plan.rung
        compiled = self.compiled and plan.layout is Layout.ON_DEVICE
        setup = Setup(plan.layout, self._device.type, self._dtype, self._vae_dtype, self._attention_slicing, compiled)
        if plan.layout is Layout.CPU:
            setup = Setup(plan.layout, "cpu", torch.float32, torch.float32, self._attention_slicing)
        return self._models.use(self.model, setup, self.estimate, plan.predicted_bytes)

    def decode_in_float32(self) -> None:
        """From now on: a decode that left the range of the precision once will do so again."""
        self._vae_in_float32 = True

    @contextmanager
    def measured(self, plan: MemoryPlan, phase: Phase, size: int) -> Iterator[None]:
        """Learns from the peak of the block, where torch counts and the device is what computes."""
        estimate = self.estimate
        others = self._device.allocated_bytes - estimate.resident_bytes(plan.layout)
        self._device.start_peak()
        yield
        peak = self._device.peak_bytes()
        if peak is None or plan.layout is Layout.CPU:
            return
        self.peak_bytes = max(self.peak_bytes, peak - others)
        activations = max(peak - others - estimate.weights_in_use(plan.layout, phase), 0)
        tile_side = plan.tile_side if phase == "decode" else None
        self.memory.note_peak(plan.layout, phase, tile_side, size, activations)

    def note_failure(self, plan: MemoryPlan, phase: Phase, size: int) -> None:
        self.ran_out[plan.rung] = self.ran_out.get(plan.rung, 0) + 1
        room = self._models.room()
        free = room.host_bytes if plan.layout is Layout.CPU else room.device_bytes
        self.memory.note_failure(plan.layout, phase, plan.tile_side if phase == "decode" else None, size, free)

    def _room(self) -> Room:
        room = self._models.room()
        # Counted among what would make way, or not loaded yet; but it stays while the model draws.
        host_bytes = max(room.host_bytes - self.footprint.checker_bytes, 0)
        return replace(room, host_bytes=host_bytes, loaded=self._models.layout(self.model.id))

    @property
    def _vae_dtype(self) -> torch.dtype:
        return torch.float32 if self._vae_in_float32 else self._dtype


def _is_no_higher(rung: Rung, other: Rung) -> bool:
    order = list(Rung)
    return order.index(rung) >= order.index(other)
