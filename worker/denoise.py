"""Draws the images of one job: latents first, then the decode.

One generator per image, so that a picture depends on its own seed and not on its neighbours; the decode is a phase of
its own, so that its failure does not cost the denoising. Knows the pipeline; knows nothing of Redis or files.
"""

import gc
import logging
import time
from typing import Any

import torch
from PIL.Image import Image

from contract.errors import (
    CatalogError,
    GenerationFailed,
    InvalidOutput,
    ModelUnavailable,
    OutOfMemory,
    ParametersRefused,
)
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from worker.pipeline import WarmPipeline, load_pipeline
from worker.schedulers import build_scheduler
from worker.settings import WorkerSettings
from worker.warm_worker import Drawn, OnStep

log = logging.getLogger("darkroom.worker")

_WARM_UP_STEPS = 2


class Denoiser:
    """Draws one job at a time, with the model that the job names; the last one stays warm."""

    def __init__(self, catalog: ModelCatalog, settings: WorkerSettings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._warm: WarmPipeline | None = None

    def warm_up(self) -> WarmPipeline:
        """Loads the default model and draws with it, shortly, at its default size. Raises CatalogError or JobFailed."""
        model = self._catalog.default
        self._warm = load_pipeline(model, self._settings)
        steps = min(_WARM_UP_STEPS, model.limits.num_inference_steps)
        request = GenerationRequest(prompt="warm-up", num_inference_steps=steps)
        self(model.complete(request, seed=0), lambda _step, _total: None)
        return self._warm

    def __call__(self, parameters: GenerationParameters, on_step: OnStep) -> Drawn:
        """Raises a JobFailed, and whatever `on_step` raises."""
        warm = self._switch(parameters.model)
        try:
            started = time.monotonic()
            latents = _denoise(warm, parameters, on_step)
            denoised = time.monotonic()
            images = _decode(warm, latents)
            return Drawn(images, denoised - started, time.monotonic() - denoised)
        except torch.OutOfMemoryError:
            pass
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
            log.exception("the pipeline failed")
            raise GenerationFailed(
                f"The pipeline failed ({type(error).__name__}); the worker's log holds it."
            ) from error
        # Outside the except block: the error's traceback keeps the activations alive.
        _free_memory()
        raise OutOfMemory(f"The {warm.plan.device} device has not enough memory for this request.")

    def _switch(self, model_id: str) -> WarmPipeline:
        """The model's pipeline; the one before it is let go first, since both may not fit."""
        if self._warm is not None and self._warm.model.id == model_id:
            return self._warm
        self._warm = None
        _free_memory()
        try:
            self._warm = load_pipeline(self._catalog.choose(model_id), self._settings)
        except (CatalogError, ParametersRefused) as error:
            log.error("%s", error)
            raise ModelUnavailable(f"Model {model_id!r} cannot be loaded; the worker's log says why.") from error
        return self._warm


def _free_memory() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _denoise(warm: WarmPipeline, parameters: GenerationParameters, on_step: OnStep) -> torch.Tensor:
    """Latents, one row for each image."""
    pipeline = warm.pipeline
    pipeline.scheduler = build_scheduler(parameters.scheduler, warm.scheduler_config)
    count = parameters.num_images_per_prompt
    generators = [torch.Generator("cpu").manual_seed(parameters.seed + index) for index in range(count)]
    done = 0

    def on_step_end(pipe: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        done += 1
        on_step(done, pipe.num_timesteps)
        return tensors

    try:
        output = pipeline(
            prompt=[parameters.prompt] * count,
            negative_prompt=[parameters.negative_prompt] * count,
            width=parameters.width,
            height=parameters.height,
            num_inference_steps=parameters.num_inference_steps,
            guidance_scale=parameters.guidance_scale,
            generator=generators,
            output_type="latent",
            callback_on_step_end=on_step_end,
        )
    finally:
        pipeline.maybe_free_model_hooks()
    latents: torch.Tensor = output.images
    if not torch.isfinite(latents).all():
        raise InvalidOutput("The denoising gave numbers that are no picture.")
    return latents


@torch.inference_mode()
def _decode(warm: WarmPipeline, latents: torch.Tensor) -> list[Image]:
    pipeline = warm.pipeline
    vae = pipeline.vae
    scaled = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)
    pixels = vae.decode(scaled.to(vae.dtype), return_dict=False)[0]
    if not torch.isfinite(pixels).all():
        raise InvalidOutput("The decode gave numbers that are no picture.")
    images: list[Image] = pipeline.image_processor.postprocess(pixels)
    return images
