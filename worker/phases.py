"""The two phases of a picture: latents, step by step, and their decode.

One generator for each image, so that a picture depends on its own seed and not on its neighbours; the decode is a phase
of its own, so that its failure does not cost the steps. Knows pipelines; knows nothing of memory, or of what to do when
one fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from PIL.Image import Image

from contract.parameters import GenerationParameters
from worker.expected_latents import ExpectedLatents
from worker.guidance import guidance_scale
from worker.pipeline import LoadedPipeline
from worker.prompt_encoding import EncodedPrompt, prompt_arguments
from worker.schedulers import build_scheduler


@dataclass(frozen=True)
class ImageToDraw:
    """One image of a pipeline call."""

    parameters: GenerationParameters
    """Of its job."""
    prompt: EncodedPrompt
    seed: int


PeekLatents = Callable[[int], torch.Tensor]
"""The clean latents that are expected of the image of that index after a step, or its latents as they are where that is
not known: a batch of one in the CPU's memory; only while the step's callback runs."""

OnBatchStep = Callable[[int, int, PeekLatents], None]
"""Called with the steps done and in all of one pipeline call, and a way to its latents; what it raises ends the run."""


def draw_latents(loaded: LoadedPipeline, images: Sequence[ImageToDraw], on_step: OnBatchStep) -> list[torch.Tensor]:
    """The latents of each image, each a batch of one, in the CPU's memory.

    The images have the shape of their prompts, size, steps and scheduler in common, and whether they are guided; where
    guidance is an input of the model, its scale too.
    """
    pipeline, parameters = loaded.pipeline, images[0].parameters
    pipeline.scheduler = build_scheduler(parameters.scheduler, loaded.scheduler_config)
    expected = ExpectedLatents(pipeline.scheduler)
    takes = signature(pipeline.__call__).parameters
    arguments = {
        **prompt_arguments([image.prompt for image in images]),
        "width": parameters.width,
        "height": parameters.height,
        "num_inference_steps": parameters.num_inference_steps,
        "guidance_scale": guidance_scale([image.parameters.guidance_scale for image in images]),
        "generator": [torch.Generator("cpu").manual_seed(image.seed) for image in images],
        "output_type": "latent",
        **_callback(pipeline, takes, parameters, expected, on_step),
    }
    # PixArt would draw the nearest of its own sizes and rewrite the prompt.
    arguments |= {name: False for name in ("use_resolution_binning", "clean_caption") if name in takes}
    # Flux and PixArt take theirs to be on the device already, and Flux in its precision: a lower rung may have another.
    device, dtype = loaded.setup.execution_device, loaded.setup.dtype
    arguments |= {
        name: each.to(device, dtype if each.is_floating_point() else each.dtype)
        for name, each in arguments.items()
        if isinstance(each, torch.Tensor)
    }
    try:
        with expected.kept():
            latents: torch.Tensor = pipeline(**arguments).images
    finally:
        pipeline.maybe_free_model_hooks()
    return list(_unpacked(pipeline, parameters, latents).split(1))  # type: ignore[no-untyped-call]


@torch.inference_mode()
def decode(loaded: LoadedPipeline, latents: torch.Tensor, tile_side: int | None) -> Image | None:
    """One picture of a batch of one; None where the decode gave numbers that are none. `tile_side` is in pixels."""
    pipeline, vae = loaded.pipeline, loaded.pipeline.vae
    _set_tiles(vae, tile_side, latents)
    latents = latents.to(loaded.setup.execution_device, vae.dtype)
    scaled = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)
    try:
        pixels = vae.decode(scaled, return_dict=False)[0]
    finally:
        pipeline.maybe_free_model_hooks()
    if not torch.isfinite(pixels).all():
        return None
    images: list[Image] = pipeline.image_processor.postprocess(pixels)
    return images[0]


def _unpacked(pipeline: Any, parameters: GenerationParameters, latents: torch.Tensor) -> torch.Tensor:
    """Images x channels x height x width, in the CPU's memory."""
    latents = latents.cpu()
    if hasattr(pipeline, "_unpack_latents"):  # Flux keeps them in patches, and has no public way back
        latents = pipeline._unpack_latents(latents, parameters.height, parameters.width, pipeline.vae_scale_factor)
    return latents


def _callback(
    pipeline: Any, takes: Any, parameters: GenerationParameters, expected: ExpectedLatents, on_step: OnBatchStep
) -> dict[str, Any]:
    """The pipeline's way to tell that a step is done. How many there are, the scheduler knows: not always as asked."""
    done = 0

    def step_done(latents: torch.Tensor) -> None:
        nonlocal done
        done += 1

        def peek(index: int) -> torch.Tensor:
            clean = expected.of(index)
            return _unpacked(pipeline, parameters, latents[index : index + 1] if clean is None else clean)

        on_step(done, len(pipeline.scheduler.timesteps), peek)
        expected.forget()

    def on_step_end(_pipe: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        step_done(tensors["latents"])
        return tensors

    if "callback_on_step_end" in takes:
        return {"callback_on_step_end": on_step_end}
    return {"callback": lambda _step, _timestep, latents: step_done(latents), "callback_steps": 1}


def _set_tiles(vae: Any, tile_side: int | None, latents: torch.Tensor) -> None:
    """diffusers' own tiles are as large as the pictures that the model was trained on: most would be one tile."""
    if tile_side is None:
        vae.disable_tiling()
        return
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    tile = best_tile(tile_side // scale, latents.shape[-2:], vae.tile_overlap_factor)
    vae.enable_tiling()
    vae.tile_latent_min_size = tile
    vae.tile_sample_min_size = tile * scale


def best_tile(most: int, sides: Sequence[int], overlap: float) -> int:
    """The side of a tile, at most `most`, that leaves no narrow strip for the last one; all in latent pixels.

    A strip has a mean and a spread of its own, by which the decoder's layers normalise: it comes out in other colours.
    """

    def narrowest(tile: int) -> int:
        stride = int(tile * (1 - overlap))
        return min(tile if side <= tile else min(side - (side - 1) // stride * stride, tile) for side in sides)

    # Of four, so that the overlap is a whole number of latent pixels: the tiles would not add up to the picture.
    return max(range(most // 4 * 4, most * 3 // 4, -4), key=narrowest)
