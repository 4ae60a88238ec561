"""The bundled model through diffusers, as its documentation shows it: what every peer serves and the bare loop calls.

Knows the model's folder and what every picture is drawn with; knows no server. It is imported in the peers' environment
and in Darkroom's, so it imports nothing of Darkroom.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL.Image import Image
from pydantic import BaseModel

MODEL = Path(__file__).parents[3] / "models" / "pocket"
WIDTH = HEIGHT = 128
NUM_INFERENCE_STEPS = 10
GUIDANCE_SCALE = 4.0
SCHEDULER = "DDIM"
"""The model's own; a pipeline that is loaded has it already."""
MAX_BATCH_SIZE = 8


class PictureRequest(BaseModel):
    """What differs from picture to picture: pictures that differ in nothing else can share a pipeline call."""

    prompt: str
    seed: int


class Pocket:
    """The pipeline, loaded. Not for several threads at once."""

    def __init__(self) -> None:
        self._pipeline = StableDiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            MODEL, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        self._pipeline.set_progress_bar_config(disable=True)

    def draw(self, requests: Sequence[PictureRequest]) -> list[bytes]:
        """One pipeline call; a PNG for each request, in their order, each from a generator of its own."""
        images = self._pipeline(
            [request.prompt for request in requests],
            width=WIDTH,
            height=HEIGHT,
            num_inference_steps=NUM_INFERENCE_STEPS,
            guidance_scale=GUIDANCE_SCALE,
            generator=[torch.Generator().manual_seed(request.seed) for request in requests],
        ).images
        return [_png(image) for image in images]


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
