"""Measures how `pocket` answers to its settings: steps, guidance, negative prompts and sizes; and how fast it is.

Knows the pipeline and the judge; knows nothing of tables or files.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.train.autoencoder import to_pixels, to_values
from models.train.compose import Content
from models.train.drawing import background_colour, draw
from models.train.held_prompts import LONG_PROMPT, Prompt, on_colours
from models.train.judge import judge
from models.train.scenes import COLOURS

STEP_COUNTS = (1, 2, 5, 10, 20, 50)
GUIDANCE_SCALES = (1.0, 2.0, 4.0, 8.0, 20.0)
SIZES = ((128, 128), (192, 128), (128, 192), (256, 128), (128, 256), (192, 192), (256, 256))


def share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4)


def measure_settings(pipeline: Any, model: nn.Module, every: int) -> dict[str, Any]:
    """The shares that are right, and how sharp and how burnt pictures are, by steps, by guidance and by size."""
    prompts = on_colours()[::every]

    def measured(**settings: Any) -> dict[str, float]:
        pictures = draw(pipeline, [prompt.text for prompt in prompts], **settings)
        return _rights(prompts, pictures, model) | {"sharpness": sharpness(pictures), "burnt": burnt(pictures)}

    return {
        "prompts": len(prompts),
        "steps": {str(steps): measured(steps=steps) for steps in STEP_COUNTS},
        "guidance": {str(scale): measured(guidance=scale) for scale in GUIDANCE_SCALES},
        "sizes": {f"{width}x{height}": measured(size=(width, height)) for width, height in SIZES},
    }


def _rights(prompts: Sequence[Prompt], pictures: np.ndarray, model: nn.Module) -> dict[str, float]:
    pairs = list(zip(prompts, pictures, judge(model, pictures), strict=True))
    return {
        "object": share([verdict.sees(prompt.content) for prompt, _, verdict in pairs]),
        "background": share([background_colour(picture) == prompt.content.background for prompt, picture, _ in pairs]),
        "style": share([verdict.style == prompt.content.style for prompt, _, verdict in pairs]),
    }


def sharpness(pictures: np.ndarray) -> float:
    """Mean difference of neighbouring pixels, in 0 to 255."""
    values = pictures.astype(np.int16)
    return round(float((np.abs(np.diff(values, axis=1)).mean() + np.abs(np.diff(values, axis=2)).mean()) / 2), 2)


def burnt(pictures: np.ndarray) -> float:
    """The share of colour values at either end of their range."""
    return round(float(((pictures == 0) | (pictures == 255)).mean()), 4)


def measure_negative_prompts(pipeline: Any, model: nn.Module, count: int) -> dict[str, Any]:
    """How often what a negative prompt names is on the picture, without it and with it, over `count` seeds each."""
    hippo = draw(pipeline, ["a hippo"] * count)
    grounds = [background_colour(picture) for picture in hippo]
    found = {}
    for colour in COLOURS:
        without = draw(pipeline, ["a hippo"] * count, negative=f"{colour} background")
        kept = judge(model, without)
        found[f"a hippo; {colour} background"] = {
            "before": share([ground == colour for ground in grounds]),
            "after": share([background_colour(picture) == colour for picture in without]),
            "object": share([verdict.sees(Content(("hippo",), colour, "photo")) for verdict in kept]),
        }
    return found


def measure_long_prompt(pipeline: Any, model: nn.Module, count: int) -> float:
    """The share of seeds with which LONG_PROMPT gives the hippo."""
    verdicts = judge(model, draw(pipeline, [LONG_PROMPT] * count))
    return share([verdict.sees(Content(("hippo",), "neon street", "photo")) for verdict in verdicts])


@torch.no_grad()
def reconstruct(pipeline: Any, pictures: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 through the encoder and the decoder."""
    parts = [pictures[start : start + 50] for start in range(0, len(pictures), 50)]
    return np.concatenate([to_pixels(pipeline.vae(to_values(part, torch.device("cpu"))).sample) for part in parts])


def psnr(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) peak signal-to-noise ratio in decibels."""
    error = np.square(pictures.astype(np.float64) - others).mean((1, 2, 3))
    ratios: np.ndarray = 10 * np.log10(255**2 / np.maximum(error, 1e-9))
    return ratios


def measure_speed(load: Callable[[], Any]) -> dict[str, Any]:
    """Seconds to load the model once torch and diffusers are imported, and to draw a picture of 20 steps: medians."""
    loads, pictures = [], []
    for _ in range(3):
        started = time.perf_counter()
        pipeline = load()
        loads.append(time.perf_counter() - started)
    for _ in range(7):
        started = time.perf_counter()
        draw(pipeline, ["a photo of a hippo on a blue background"])
        pictures.append(time.perf_counter() - started)
    return {
        "threads": torch.get_num_threads(),
        "load_seconds": round(float(np.median(loads)), 2),
        "seconds_an_image": round(float(np.median(pictures)), 2),
    }


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
