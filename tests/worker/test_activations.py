"""The formulas against what torch's operations really make, on the meta device, in the real configurations."""

import json
from pathlib import Path

import pytest
import torch

from tests.activations import decode_peak, denoiser_peak
from tests.random_models import KINDS, Kind, Size, build, component, component_config, parts_of
from worker.activations import decode_activations, step_activations

POCKET = Path(__file__).parents[2] / "models" / "pocket"


def denoiser_of(kind: Kind) -> str:
    return next(part for part in parts_of(kind) if part in ("unet", "transformer"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "side", "above"), [("full", 1024, 1.65), ("full", 512, 2.2), ("tiny", 512, 4.0)])
def test_a_step_is_never_estimated_below_what_it_holds(kind: Kind, size: Size, side: int, above: float) -> None:
    name = denoiser_of(kind)
    config, vae = component_config(kind, name, size), component_config(kind, "vae", size)
    for rows in (1, 2):
        elements = rows * step_activations(config, vae).elements(side * side)
        peak = denoiser_peak(component(kind, name, size).half(), side, side, rows) / torch.float16.itemsize
        assert peak <= elements <= above * peak


@pytest.mark.parametrize("kind", ["sd15", "sdxl", "flux"])
@pytest.mark.parametrize("side", [512, 1024])
def test_a_decode_is_never_estimated_below_what_it_holds(kind: Kind, side: int) -> None:
    elements = decode_activations(component_config(kind, "vae", "full")).elements(side * side)
    peak = decode_peak(component(kind, "vae", "full").half(), side, side) / torch.float16.itemsize
    assert peak <= elements <= 1.05 * peak


def test_the_bundled_model_is_not_estimated_below_what_it_holds() -> None:
    unet, vae = (json.loads((POCKET / part / "config.json").read_text()) for part in ("unet", "vae"))
    step = denoiser_peak(build("diffusers", "UNet2DConditionModel", unet), 128, 128, 2) / torch.float32.itemsize
    decode = decode_peak(build("diffusers", "AutoencoderKL", vae), 128, 128) / torch.float32.itemsize
    assert step <= 2 * step_activations(unet, vae).elements(128 * 128) <= 2 * step
    assert decode <= decode_activations(vae).elements(128 * 128) <= 1.5 * decode
