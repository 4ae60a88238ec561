"""What latents look like without the decoder: on a picture that is an affine map of them, and on ones that are not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worker.drawing import CATALOG, CPU, denoiser, ignore, parameters
from worker.latent_colours import LatentColours
from worker.previews import PreviewArray

WEIGHTS = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.02], [-0.05, 0.0, 0.1], [0.02, 0.05, 0.0]])


def latents(width: int = 16, height: int = 12, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(seed))


def decoded(latents: torch.Tensor) -> Image.Image:
    """A picture eight times as wide and as high; each of its blocks has the colour of a latent pixel."""
    colours = torch.einsum("chw,ck->hwk", latents[0], WEIGHTS) + 0.5
    small = Image.fromarray((colours * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    return small.resize((small.width * 8, small.height * 8), Image.Resampling.NEAREST)


def difference(pixels: PreviewArray, picture: Image.Image) -> float:
    """The mean one, to the picture averaged down."""
    small = picture.resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.BOX)
    return float(np.abs(pixels.astype(float) - np.asarray(small, float)).mean())


@pytest.fixture
def colours() -> LatentColours:
    colours = LatentColours()
    colours.learn(latents(), decoded(latents()))
    return colours


def test_latents_get_the_colours_of_the_picture_that_they_become(colours: LatentColours) -> None:
    other = latents(20, 8, seed=2)
    pixels = colours.picture(other)
    assert (pixels.shape, pixels.dtype) == ((8, 20, 3), np.uint8)
    assert difference(pixels, decoded(other)) < 1


def test_before_a_picture_was_decoded_the_shapes_are_shown_in_greys() -> None:
    pixels = LatentColours().picture(latents())
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert np.corrcoef(pixels[..., 0].ravel(), latents()[0, 0].ravel())[0, 1] > 0.95


def test_what_one_picture_teaches_wrongly_the_next_ones_mend() -> None:
    colours = LatentColours()
    colours.learn(latents(), Image.new("RGB", (128, 96), (255, 0, 0)))
    other = latents(seed=2)
    before = difference(colours.picture(other), decoded(other))
    for seed in range(3, 9):
        colours.learn(latents(seed=seed), decoded(latents(seed=seed)))
    assert difference(colours.picture(other), decoded(other)) < before / 3


def test_channels_that_have_never_differed_get_no_say() -> None:
    colours = LatentColours()
    known, other = latents(), latents(seed=2)
    known[0, 3] = other[0, 3] = 0
    colours.learn(known, decoded(known))
    expected = colours.picture(other)
    other[0, 3] = 0.5 * latents(seed=3)[0, 3]
    assert np.array_equal(colours.picture(other), expected)


def test_noise_that_is_scaled_up_looks_like_noise_and_not_like_black_and_white(colours: LatentColours) -> None:
    pixels = colours.picture(14.6 * latents(seed=2))
    assert 10 < pixels.std() < 60
    assert difference(pixels, decoded(latents(seed=2))) < 5


def test_a_picture_with_more_contrast_than_most_keeps_it_once_such_a_one_is_known(colours: LatentColours) -> None:
    strong = 1.5 * latents(seed=2)
    assert difference(colours.picture(strong), decoded(strong)) > 5
    colours.learn(strong, decoded(strong))
    assert difference(colours.picture(strong), decoded(strong)) < 1


def test_of_a_large_picture_a_part_is_learned(colours: LatentColours) -> None:
    large = latents(256, 200)
    colours.learn(large, decoded(large))
    assert 12 * 16 < colours._squares[-1, -1] <= 16384 + 12 * 16
    assert difference(colours.picture(large), decoded(large)) < 1


def test_the_bundled_models_picture_is_seen_long_before_its_noise_is_gone(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, CPU)
    for seed, prompt in enumerate(("a red fox", "a green tree", "a penguin on a blue background")):
        draw(parameters(prompt=f"an oil painting of {prompt}", seed=seed, num_inference_steps=10), ignore)
    asked_for = "an oil painting of a penguin on a blue background"
    for scheduler in ("Euler a", "UniPC"):
        seen: list[PreviewArray | None] = []
        asked = parameters(prompt=asked_for, num_inference_steps=10, scheduler=scheduler)
        (picture,) = draw(asked, lambda _step, _total, peek, seen=seen: seen.append(peek())).images
        differences = [difference(pixels, picture) for pixels in seen if pixels is not None]
        assert len(differences) == 10
        assert differences[4] < 1.5 * differences[-1]


def test_the_warm_up_teaches_the_first_colours(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, CPU)
    draw.warm_up()
    pixels = draw.planned(CATALOG.default).colours.picture(torch.randn(1, 8, 16, 16))
    assert not np.array_equal(pixels[..., 0], pixels[..., 1])
