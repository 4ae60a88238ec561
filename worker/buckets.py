"""The shapes that a model is compiled for, each drawn once before a client can ask for it.

A bucket is a number of images in one pipeline call, at the model's default size. Knows plans and phases; knows nothing
of jobs.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from contract.parameters import GenerationParameters
from worker.compilation import COMPILER_FAILURES, compiling
from worker.device import Device, is_lost, is_out_of_memory
from worker.execution import DeviceLost
from worker.memory_plan import DoesNotFit, Layout, MemoryPlan
from worker.phases import ImageToDraw, draw_latents
from worker.pipeline import LoadedPipeline
from worker.planned_model import PlannedModel
from worker.prompt_encoding import encode_prompt

_LONGEST_REASON = 500
"""Characters; the compiler's own go on with its source."""

log = structlog.get_logger("darkroom.worker")


def warm_buckets(
    planned: PlannedModel, parameters: GenerationParameters, batches: Sequence[int], device: Device
) -> None:
    """Compiles a model for each number of images that one call has room for on the device, the smallest first.

    To be called when it has drawn already: what fails now is the compiler, and the rest is then drawn as it is. Raises
    DeviceLost.
    """
    told = {"model": planned.model.id, "width": parameters.width, "height": parameters.height}
    plan = _plan(planned, 1)
    if plan is None:
        log.warning("not_compiled", **told, reason="its weights do not stay on a device")
        return
    loaded = planned.pipeline(plan)
    for images in sorted(set(batches)):
        if _plan(planned, images) is None:
            log.warning("not_compiled", **told, images=images, reason="one call has no room for as many")
            return
        started = time.monotonic()
        error = _compile(loaded, parameters, images)
        device.collect()
        if error is not None:
            log.warning("compile_failed", **told, images=images, reason=error)
            return
        log.info("bucket_warmed", **told, images=images, seconds=round(time.monotonic() - started, 3))


def _plan(planned: PlannedModel, images: int) -> MemoryPlan | None:
    """None where so many are not drawn in one call, or the weights do not stay on the device."""
    try:
        plan = planned.look_ahead(replace(planned.default_demand(), images=images))
    except DoesNotFit:
        return None
    return plan if plan.layout is Layout.ON_DEVICE and plan.batch_size == images else None


def _compile(loaded: LoadedPipeline, parameters: GenerationParameters, images: int) -> str | None:
    """What failed, as words. No peak is noted: a compiler that tries kernels out takes more than they do."""
    try:
        with compiling():
            image = ImageToDraw(parameters, encode_prompt(loaded, parameters), seed=0)
            draw_latents(loaded, [image] * images, lambda *_: None)
    except COMPILER_FAILURES as error:
        if is_lost(error) and not is_out_of_memory(error):
            raise DeviceLost(type(error).__name__) from None
        # In its own words: there is no client's prompt in them.
        return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
    return None
