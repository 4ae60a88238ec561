"""Draws with the finished pipeline and tells background colours: what measuring needs of both.

Knows diffusers and pixels; knows nothing of prompts' meanings.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms

from models.train.compose import SIZE
from models.train.scenes import COLOURS, Colour

STEPS, GUIDANCE = 20, 4.0
"""The defaults of `pocket` in models.toml."""
FIRST_SEED = 1_000_000
BATCH = 20
BORDER = 4
"""Pixels from each edge that count as background."""
_TO_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")


def draw(
    pipeline: Any,
    prompts: Sequence[str],
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    negative: str = "",
    size: tuple[int, int] = (SIZE, SIZE),
    first_seed: int = FIRST_SEED,
) -> np.ndarray:
    """(N, height, width, 3) uint8, each picture of a seed of its own."""
    drawn = []
    for start in range(0, len(prompts), BATCH):
        batch = list(prompts[start : start + BATCH])
        seeds = range(first_seed + start, first_seed + start + len(batch))
        drawn.append(
            pipeline(
                batch,
                negative_prompt=[negative] * len(batch),
                num_inference_steps=steps,
                guidance_scale=guidance,
                width=size[0],
                height=size[1],
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                output_type="np",
            ).images
        )
    return (np.concatenate(drawn) * 255).round().astype(np.uint8)


def background_colour(picture: np.ndarray) -> str:
    """The colour of `COLOURS` that is nearest, in CIELAB, to the median of the border pixels of (H, W, 3) uint8."""
    frame = np.ones(picture.shape[:2], bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = False
    seen = _lab(tuple(np.median(picture[frame], 0).astype(int)))
    return min(COLOURS, key=lambda name: float(np.square(seen - _lab(COLOURS[name])).sum()))


def _lab(colour: Colour) -> np.ndarray:
    """(L in 0 to 100, a, b) of an sRGB colour."""
    pixel = ImageCms.applyTransform(Image.new("RGB", (1, 1), tuple(int(part) for part in colour)), _TO_LAB)
    lightness, a, b = np.asarray(pixel, np.int16)[0, 0]
    return np.array([lightness / 2.55, a - 256 * (a > 127), b - 256 * (b > 127)], np.float64)
