"""Draws the images of one job: latents first, then the decode.

One generator per image, so that a picture depends on its own seed and not on its neighbours; the decode is a phase of
its own, so that its failure does not cost the denoising. Knows the pipeline; knows nothing of Redis or files.
"""

import gc
import time
from typing import Any

import torch
from PIL.Image import Image

from contract.errors import GenerationFailed, InvalidOutput, OutOfMemory
from contract.parameters import GenerationParameters
from worker.pipeline import WarmPipeline
from worker.schedulers import build_scheduler
from worker.warm_worker import Drawn, OnStep

_WARM_UP_STEPS = 2


class Denoiser:
    """Draws with one warm pipeline, one job at a time."""

    def __init__(self, warm: WarmPipeline) -> None:
        self._warm = warm

    def warm_up(self) -> None:
        """A short generation at the model's default size. Raises JobFailed."""
        model = self._warm.model
        defaults = model.defaults.model_dump() | {"num_inference_steps": _WARM_UP_STEPS}
        fixed: dict[str, Any] = {"prompt": "warm-up", "model": model.id, "seed": 0}
        parameters = GenerationParameters(**defaults, **fixed, num_images_per_prompt=1, output_format="png")
        self(parameters, lambda _step, _total: None)

    def __call__(self, parameters: GenerationParameters, on_step: OnStep) -> Drawn:
        """Raises OutOfMemory, InvalidOutput or GenerationFailed, and whatever `on_step` raises."""
        try:
            started = time.monotonic()
            latents = self._denoise(parameters, on_step)
            denoised = time.monotonic()
            images = self._decode(latents)
            return Drawn(images, denoised - started, time.monotonic() - denoised)
        except torch.OutOfMemoryError:
            pass
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
            raise GenerationFailed(f"The pipeline failed: {type(error).__name__}: {error}") from error
        # Outside the except block: the error's traceback keeps the activations alive.
        gc.collect()
        torch.cuda.empty_cache()
        raise OutOfMemory(f"The {self._warm.plan.device} device has not enough memory for this request.")

    def _denoise(self, parameters: GenerationParameters, on_step: OnStep) -> torch.Tensor:
        """Latents, one row for each image."""
        pipeline = self._warm.pipeline
        pipeline.scheduler = build_scheduler(parameters.scheduler, self._warm.scheduler_config)
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
    def _decode(self, latents: torch.Tensor) -> list[Image]:
        pipeline = self._warm.pipeline
        vae = pipeline.vae
        scaled = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)
        pixels = vae.decode(scaled.to(vae.dtype), return_dict=False)[0]
        if not torch.isfinite(pixels).all():
            raise InvalidOutput("The decode gave numbers that are no picture.")
        images: list[Image] = pipeline.image_processor.postprocess(pixels)
        return images
