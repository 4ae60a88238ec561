"""One job's pictures, through whatever memory does: what is done is kept, what ran out is tried on a lower rung.

Knows plans and phases; knows nothing of Redis or files.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import structlog
import torch
from PIL.Image import Image

from contract.errors import GenerationFailed, InvalidOutput, OutOfMemory
from contract.parameters import GenerationParameters
from contract.tracing import span
from worker.batch import Drawn, OnStep
from worker.device import Device, is_out_of_memory
from worker.image_filter import ImageFilter
from worker.memory_plan import DoesNotFit, MemoryPlan, Phase, step_down
from worker.phases import OnBatchStep, PeekLatents, decode, draw_latents
from worker.pipeline import LoadedPipeline
from worker.planned_model import PlannedModel
from worker.prompt_encoding import EncodedPrompt, encode_prompt

log = structlog.get_logger("darkroom.worker")

_MAX_RETRIES = 3


class _NoPicture(Exception):
    """The numbers are none of a picture."""


class Drawing:
    """Draws once."""

    def __init__(
        self, planned: PlannedModel, device: Device, parameters: GenerationParameters, on_step: OnStep
    ) -> None:
        self._planned = planned
        self._device = device
        self._parameters = parameters
        self._demand = planned.demand(parameters)
        self._on_step = on_step
        self._prompt: EncodedPrompt | None = None
        self._latents: dict[int, torch.Tensor] = {}
        self._images: dict[int, Image] = {}
        self._phase: Phase = "draw"
        self._size = 0
        self._calls_done = 0
        self._progress = (0, 0)
        self._tried: list[str] = []
        self._batches: list[int] = []
        self._image_filters: tuple[ImageFilter, ...] = ()
        self._seconds = {"load": 0.0, "denoise": 0.0, "decode": 0.0, "filter": 0.0}

    def draw(self) -> Drawn:
        """Raises OutOfMemory, InvalidOutput, GenerationFailed, what the pipeline raises, and what `on_step` raises."""
        plan = self._first_plan()
        invalid = False
        while True:
            try:
                ran_out = self._attempt(plan)
            except _NoPicture:
                if invalid:
                    raise InvalidOutput(f"The {self._phase} gave numbers that are no picture, twice.") from None
                log.warning("no_picture", phase=self._phase, then="decoded in float32")
                invalid = True
                self._planned.decode_in_float32()
                continue
            if not ran_out:
                break
            # Only now, outside of the except block: its traceback keeps the activations alive.
            self._device.collect()
            plan = self._next_plan(plan)
            self._on_step(*self._progress, lambda: None)  # the deadline may be over, or the client gone
        self._planned.memory.note_success()
        images = [self._judged(self._images[index]) for index in range(self._demand.images)]
        seconds = self._seconds
        return Drawn(
            images,
            seconds["load"],
            seconds["denoise"],
            seconds["decode"],
            self._prompt.warnings if self._prompt else [],
            filter_seconds=seconds["filter"] if self._image_filters else None,
            batch_size=max(self._batches),
        )

    def _judged(self, image: Image) -> Image | None:
        """None where the picture is to be withheld."""
        if not self._image_filters:
            return image
        self._on_step(*self._progress, lambda: None)
        try:
            with self._timed("filter"):
                withheld = any(judge.withholds(image) for judge in self._image_filters)
        except (RuntimeError, ValueError, MemoryError) as error:
            if is_out_of_memory(error):
                raise OutOfMemory("Memory ran out while the pictures were judged by the image filter.") from None
            log.exception("image_filter_failed")
            raise GenerationFailed("The image filter failed; the worker's log holds it.") from error
        return None if withheld else image

    def _first_plan(self) -> MemoryPlan:
        try:
            return self._planned.plan(self._demand)
        except DoesNotFit as error:
            raise OutOfMemory(f"Not tried: {error}.{self._what_would_fit()}") from None

    def _attempt(self, plan: MemoryPlan) -> bool:
        """Whether memory ran out."""
        try:
            self._draw(plan)
            self._decode(plan)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # The words of others may hold a prompt; torch's own say how much was asked for, and how much there was.
            words = str(error).partition("\n")[0] if isinstance(error, torch.OutOfMemoryError) else type(error).__name__
            log.warning("memory_ran_out", phase=self._phase, rung=plan.rung, batch_size=plan.batch_size, reason=words)
            return True
        return False

    def _draw(self, plan: MemoryPlan) -> None:
        self._phase = "draw"
        while missing := [index for index in range(self._demand.images) if index not in self._latents]:
            batch = missing[: plan.batch_size]
            calls = self._calls_done + ceil(len(missing) / plan.batch_size)
            self._size = len(batch) * self._demand.rows * self._demand.pixels
            seeds = [self._parameters.seed + index for index in batch]
            loaded = self._load(plan)
            with self._timed("denoise"), self._planned.measured(plan, "draw", self._size):
                prompt = self._encoded(loaded)
                latents = draw_latents(loaded, self._parameters, prompt, seeds, self._step_of(calls))
            if not all(torch.isfinite(each).all() for each in latents):
                raise _NoPicture
            self._latents.update(zip(batch, latents, strict=True))
            self._calls_done += 1
            self._batches.append(len(batch))

    def _encoded(self, loaded: LoadedPipeline) -> EncodedPrompt:
        """Once for all pipeline calls, on whatever rung."""
        if self._prompt is None:
            self._prompt = encode_prompt(loaded, self._parameters)
        return self._prompt

    def _decode(self, plan: MemoryPlan) -> None:
        self._phase = "decode"
        self._size = plan.tile_side**2 if plan.tile_side else self._demand.pixels
        while missing := [index for index in range(self._demand.images) if index not in self._images]:
            loaded = self._load(plan)
            with self._timed("decode"), self._planned.measured(plan, "decode", self._size):
                image = decode(loaded, self._latents[missing[0]], plan.tile_side)
            if image is None or _is_constant(image):
                raise _NoPicture
            self._images[missing[0]] = image
            self._planned.colours.learn(self._latents[missing[0]], image)

    def _load(self, plan: MemoryPlan) -> LoadedPipeline:
        with self._timed("load"):
            loaded = self._planned.pipeline(plan)
        self._image_filters = loaded.image_filters
        return loaded

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """What fails takes time too. The block is also a span of that name."""
        started = time.monotonic()
        try:
            with span(what):
                yield
        finally:
            self._seconds[what] += time.monotonic() - started

    def _step_of(self, calls: int) -> OnBatchStep:
        """Progress over all the pipeline calls that the images take."""
        done = self._calls_done

        def on_step(step: int, total: int, peek: PeekLatents) -> None:
            self._progress = (done * total + step, calls * total)
            # A picture that nobody has judged yet is not shown either, however small and rough.
            self._on_step(
                *self._progress, lambda: None if self._image_filters else self._planned.colours.picture(peek())
            )

        return on_step

    def _next_plan(self, plan: MemoryPlan) -> MemoryPlan:
        images = f"{plan.batch_size} image{'s' if plan.batch_size > 1 else ''} at once"
        tiles = f", in tiles of up to {plan.tile_side} pixels" if plan.tile_side else ""
        self._tried.append(f"{plan.rung} with {images}{tiles} ({self._phase})")
        self._planned.note_failure(plan, self._phase, self._size)
        lower = step_down(plan, self._phase, self._demand, self._planned.ladder)
        if lower is None or len(self._tried) > _MAX_RETRIES:
            tried = "; ".join(self._tried)
            raise OutOfMemory(f"Memory ran out. Tried: {tried}.{self._what_would_fit()}")
        log.warning("rung_stepped_down", model=self._planned.model.id, rung=lower.rung, batch_size=lower.batch_size)
        return lower

    def _what_would_fit(self) -> str:
        side = self._planned.largest_side(self._demand)
        return f" One image of {side}x{side} would fit, by the estimate." if side else ""


def _is_constant(image: Image) -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]
