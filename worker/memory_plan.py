"""MemoryPlan: which rung of the ladder a request is drawn on, and how much memory that takes.

Arithmetic alone: what a model weighs, what was observed and how much memory there is are handed in.
Knows nothing of torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from contract.rung import Rung
from worker.footprint import Footprint

GIB = 1024**3


class Layout(StrEnum):
    """Where the weights are. Rungs that share a layout are changed in place; another layout loads the model anew."""

    ON_DEVICE = "on_device"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"
    CPU = "cpu"


_LAYOUTS = {Rung.VAE_TILING: Layout.ON_DEVICE, Rung.SMALLER_BATCH: Layout.ON_DEVICE}

Phase = Literal["draw", "decode"]

TILE_SIDES = (512, 256, 128)
"""Pixels; diffusers blends a quarter of each tile with its neighbour."""
_USABLE = 0.95
"""Of what is free: the allocator's blocks are larger than what is in them."""
_DRAW_MARGIN = 2.5
"""Fragments and the kernels' workspace over what the tensors alone hold. From the research of other planners: between
InvokeAI's and ComfyUI's constants."""
_DECODE_MARGIN = 2.87
"""The same for the decode: 2200 bytes for each pixel and byte of precision (InvokeAI, ComfyUI) over the 768 held."""
_WORKSPACE_BYTES = int(0.6 * GIB)
"""What the kernels' libraries take at their first use, whatever the size of the picture."""
_CPU_WORKSPACE_BYTES = int(0.1 * GIB)
_TILED_COPIES = 3
"""Of the whole picture in RGB: the tiles, their blended rows, and what they are put together to."""
_LEAVES_IN_FLIGHT = {Layout.GROUP_OFFLOAD: 3, Layout.SEQUENTIAL_OFFLOAD: 1}
"""Largest layers on the device at once; streams copy the next ones while one computes."""


@dataclass(frozen=True)
class Demand:
    """What of a request takes memory."""

    images: int
    width: int
    height: int
    guided: bool
    """Every step computes two rows for each image."""

    @property
    def pixels(self) -> int:
        """Of one image."""
        return self.width * self.height

    @property
    def rows(self) -> int:
        return 2 if self.guided else 1


@dataclass(frozen=True)
class Room:
    """Free bytes, as they would be with no other model in the way."""

    device_bytes: int
    host_bytes: int
    loaded: Layout | None = None
    """How the model is laid out already: its weights have been through the CPU's memory."""


@dataclass(frozen=True)
class MemoryPlan:
    """One way to draw a request."""

    rung: Rung
    batch_size: int
    """Images in one pipeline call."""
    tile_side: int | None
    """Pixels; None decodes an image as a whole."""
    predicted_bytes: int
    """At the peak, on the device of the layout."""

    @property
    def layout(self) -> Layout:
        return layout_of(self.rung)


class Observed(Protocol):
    """What earlier runs took; see observed_memory."""

    def activation_bytes(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, cold: int) -> int:
        """At the peak, for that many pixels of that phase; `cold` where nothing was observed."""

    def ran_out(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, free_bytes: int) -> bool:
        """Whether memory ran out before for no more, with no less free."""


class DoesNotFit(Exception):
    """No rung has room. The message names what is missing."""


def layout_of(rung: Rung) -> Layout:
    return _LAYOUTS.get(rung) or Layout(rung.value)


@dataclass(frozen=True)
class Estimate:
    """Peaks of one model in one precision, in bytes: computed cold, corrected by what was observed.

    The layout `cpu` computes in float32, whatever the precision on the device.
    """

    footprint: Footprint
    element_bytes: int
    vae_element_bytes: int
    observed: Observed

    def weight_bytes(self, layout: Layout) -> int:
        return sum(self._part_bytes(layout, name) for name in self.footprint.parts)

    def resident_bytes(self, layout: Layout) -> int:
        """What stays on the device between two runs."""
        if layout in (Layout.ON_DEVICE, Layout.CPU):
            return self.weight_bytes(layout)
        return self._part_bytes(layout, "vae") if layout is Layout.GROUP_OFFLOAD else 0

    def weights_in_use(self, layout: Layout, phase: Phase) -> int:
        """The most weights that are on the device at once."""
        if layout in (Layout.ON_DEVICE, Layout.CPU):
            return self.weight_bytes(layout)
        if phase == "decode":
            return self._part_bytes(layout, "vae")
        others = [name for name in self.footprint.parts if name != "vae"]
        if layout is Layout.MODEL_OFFLOAD:
            return max(self._part_bytes(layout, name) for name in others)
        largest = max(self.footprint.parts[name].largest for name in others)
        return self.resident_bytes(layout) + _LEAVES_IN_FLIGHT[layout] * largest * self.element_bytes

    def draw_bytes(self, layout: Layout, batch_size: int, demand: Demand) -> int:
        rows = batch_size * demand.rows
        elements = rows * self.footprint.step.elements(demand.pixels)
        cold = int(_DRAW_MARGIN * elements * self._element_bytes(layout)) + _workspace(layout)
        return self._peak(layout, "draw", None, rows * demand.pixels, cold)

    def decode_bytes(self, layout: Layout, tile_side: int | None, demand: Demand) -> int:
        """Of one image: a batch is decoded one by one."""
        size = tile_side**2 if tile_side else demand.pixels
        element_bytes = self._element_bytes(layout, "vae")
        cold = int(_DECODE_MARGIN * self.footprint.decode.elements(size) * element_bytes) + _workspace(layout)
        if tile_side:
            cold += _TILED_COPIES * 3 * demand.pixels * element_bytes
        return self._peak(layout, "decode", tile_side, size, cold)

    def _peak(self, layout: Layout, phase: Phase, tile_side: int | None, size: int, cold: int) -> int:
        activations = self.observed.activation_bytes(layout, phase, tile_side, size, cold)
        return self.weights_in_use(layout, phase) + activations

    def _element_bytes(self, layout: Layout, part: str = "") -> int:
        if layout is Layout.CPU:
            return 4
        return self.vae_element_bytes if part == "vae" else self.element_bytes

    def _part_bytes(self, layout: Layout, name: str) -> int:
        part = self.footprint.parts.get(name)
        return part.parameters * self._element_bytes(layout, name) if part else 0


def plan_memory(estimate: Estimate, demand: Demand, room: Room, ladder: Sequence[Rung]) -> MemoryPlan:
    """The first rung of the ladder that has room. Raises DoesNotFit with the bytes that are missing on the last."""
    for rung in ladder:
        for plan in _plans(estimate, rung, demand):
            if _fits(estimate, plan, demand, room):
                return plan
    raise DoesNotFit(_missing(estimate, demand, room, ladder))


def largest_side(estimate: Estimate, room: Room, ladder: Sequence[Rung], guided: bool, most: int) -> int | None:
    """The side in pixels of the largest square picture that has room, at most `most`; None where there is none."""
    for side in range(most // 64 * 64, 0, -64):
        try:
            plan_memory(estimate, Demand(1, side, side, guided), room, ladder)
        except DoesNotFit:
            continue
        return side
    return None


def step_down(plan: MemoryPlan, phase: Phase, demand: Demand, ladder: Sequence[Rung]) -> MemoryPlan | None:
    """What to try when memory ran out in that phase in spite of the plan; None where nothing is left.

    Tiles for a decode, half the batch for the steps, and then the next layout.
    """
    tile_side = _smaller_tile(plan.tile_side, demand.pixels)
    if phase == "decode" and tile_side:
        tiling = Rung.VAE_TILING if plan.rung is Rung.ON_DEVICE else plan.rung
        return MemoryPlan(tiling, plan.batch_size, tile_side, plan.predicted_bytes)
    if phase == "draw" and plan.batch_size > 1:
        splitting = Rung.SMALLER_BATCH if plan.layout is Layout.ON_DEVICE else plan.rung
        return MemoryPlan(splitting, plan.batch_size // 2, plan.tile_side, plan.predicted_bytes)
    for lower in ladder:
        if list(Rung).index(lower) > list(Rung).index(plan.rung) and layout_of(lower) is not plan.layout:
            return MemoryPlan(lower, plan.batch_size, plan.tile_side, plan.predicted_bytes)
    return None


def _workspace(layout: Layout) -> int:
    return _CPU_WORKSPACE_BYTES if layout is Layout.CPU else _WORKSPACE_BYTES


def _plans(estimate: Estimate, rung: Rung, demand: Demand) -> Iterator[MemoryPlan]:
    """The ways to draw on one rung, best first: as large a batch as can be, and in tiles only where it must."""
    tiles: list[int | None] = [side for side in TILE_SIDES if side**2 < demand.pixels]
    tile_sides: list[int | None] = [None, *tiles]
    if rung in (Rung.ON_DEVICE, Rung.VAE_TILING):
        tile_sides = (tiles if rung is Rung.VAE_TILING else []) or [None]
    most = max(demand.images - 1, 1) if rung is Rung.SMALLER_BATCH else demand.images
    least = demand.images if rung in (Rung.ON_DEVICE, Rung.VAE_TILING) else 1
    for batch_size in range(most, least - 1, -1):
        draw = estimate.draw_bytes(layout_of(rung), batch_size, demand)
        for tile_side in tile_sides:
            decode = estimate.decode_bytes(layout_of(rung), tile_side, demand)
            yield MemoryPlan(rung, batch_size, tile_side, max(draw, decode))


def _fits(estimate: Estimate, plan: MemoryPlan, demand: Demand, room: Room) -> bool:
    if plan.layout is not room.loaded and estimate.weight_bytes(plan.layout) > room.host_bytes:
        return False
    free = room.host_bytes if plan.layout is Layout.CPU else room.device_bytes
    draw_size = plan.batch_size * demand.rows * demand.pixels
    decode_size = plan.tile_side**2 if plan.tile_side else demand.pixels
    return (
        plan.predicted_bytes <= _USABLE * free
        and not estimate.observed.ran_out(plan.layout, "draw", None, draw_size, free)
        and not estimate.observed.ran_out(plan.layout, "decode", plan.tile_side, decode_size, free)
    )


def _missing(estimate: Estimate, demand: Demand, room: Room, ladder: Sequence[Rung]) -> str:
    last = min(_plans(estimate, ladder[-1], demand), key=lambda plan: plan.predicted_bytes)
    if last.layout is not room.loaded and estimate.weight_bytes(last.layout) > room.host_bytes:
        needed, free, where = (
            estimate.weight_bytes(last.layout),
            room.host_bytes,
            "the CPU's memory for its weights",
        )
    elif last.layout is Layout.CPU:
        needed, free, where = last.predicted_bytes, int(_USABLE * room.host_bytes), "the CPU's memory"
    else:
        needed, free, where = last.predicted_bytes, int(_USABLE * room.device_bytes), "the device's memory"
    image = f"one image of {demand.width}x{demand.height} pixels"
    needs = f"{image} needs {needed / GIB:.2f} GiB of {where} on the rung {last.rung}"
    if needed <= free:
        return f"{needs}, by the estimate; but memory ran out there before"
    return f"{needs}, {free / GIB:.2f} GiB are free: {(needed - free) / GIB:.2f} GiB are missing"


def _smaller_tile(tile_side: int | None, pixels: int) -> int | None:
    return next((side for side in TILE_SIDES if side**2 < pixels and (tile_side is None or side < tile_side)), None)
