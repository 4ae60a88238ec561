"""The folders of random weights are what real ones are: loadable, drawable, and as large."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoPipelineForText2Image
from safetensors import safe_open

from tests.one_thread import one_thread
from tests.random_models import KINDS, Kind, write_model

__all__ = ["one_thread"]

_CLIP_L, _BIG_G, _T5_XXL, _VAE = 235, 1325, 9083, 160
# MiB in half precision.
_SIZES: dict[Kind, dict[str, int]] = {
    "sd15": {"text_encoder": _CLIP_L, "unet": 1639, "vae": _VAE},
    "sd-turbo": {"text_encoder": 649, "unet": 1652, "vae": _VAE},
    "sdxl": {"text_encoder": _CLIP_L, "text_encoder_2": _BIG_G, "unet": 4897, "vae": _VAE},
    "sdxl-turbo": {"text_encoder": _CLIP_L, "text_encoder_2": _BIG_G, "unet": 4897, "vae": _VAE},
    "ssd-1b": {"text_encoder": _CLIP_L, "text_encoder_2": _BIG_G, "unet": 2539, "vae": _VAE},
    "lcm": {"text_encoder": _CLIP_L, "unet": 1640, "vae": _VAE},
    "pixart-sigma": {"text_encoder": _T5_XXL, "transformer": 1165, "vae": _VAE},
    "flux": {"text_encoder": _CLIP_L, "text_encoder_2": _T5_XXL, "transformer": 22681, "vae": _VAE},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_model_draws_an_image_that_depends_on_the_prompt_and_the_seed(kind: Kind, tmp_path: Path) -> None:
    pipeline = _load(write_model(tmp_path, kind, "tiny", "random"))

    image = _draw(pipeline, "a hippo", seed=0)

    assert image.shape == (3, 64, 64)
    assert image.isfinite().all()
    assert image.std() > 0.05
    assert torch.equal(image, _draw(pipeline, "a hippo", seed=0))
    assert not torch.equal(image, _draw(pipeline, "a hippo", seed=1))
    assert not torch.equal(image, _draw(pipeline, "a red balloon", seed=0))


def test_a_variant_is_in_the_name_of_every_weight_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "sdxl", "tiny", "random", variant="fp16")

    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*.safetensors")} == {
        "text_encoder/model.fp16.safetensors",
        "text_encoder_2/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    assert _load(folder, variant="fp16")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_are_stored_in_the_type_asked_for(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = write_model(tmp_path, "sd15", "tiny", "random", dtype)

    with safe_open(folder / "unet" / "diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {dtype}  # noqa: SIM118


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_sparse_model_has_its_full_size_and_takes_no_disk(kind: Kind, tmp_path: Path) -> None:
    folder = write_model(tmp_path, kind, "full", "sparse")

    files = {file.parent.name: file for file in folder.rglob("*.safetensors")}

    assert {part: round(_parameters(file) * 2 / 2**20) for part, file in files.items()} == _SIZES[kind]
    assert all(file.stat().st_size > _parameters(file) * 2 for file in files.values())
    assert sum(file.stat().st_blocks * 512 for file in files.values()) < 2**20


def _load(folder: Path, variant: str | None = None) -> Any:
    return AutoPipelineForText2Image.from_pretrained(
        folder, variant=variant, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )


def _draw(pipeline: Any, prompt: str, seed: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(seed)
    image: torch.Tensor = pipeline(
        prompt, width=64, height=64, num_inference_steps=2, generator=noise, output_type="pt"
    ).images[0]
    return image


def _parameters(file: Path) -> int:
    with safe_open(file, "pt") as weights:
        return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
