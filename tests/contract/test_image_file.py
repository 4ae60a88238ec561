import io

import pytest
from PIL import Image

from contract.image_file import CONTENT_TYPES, encode_image
from contract.parameters import GenerationParameters, OutputFormat

PARAMETERS = GenerationParameters(
    prompt="a fox",
    negative_prompt="blurry",
    model="pocket",
    width=64,
    height=72,
    num_inference_steps=20,
    guidance_scale=4.0,
    num_images_per_prompt=2,
    seed=41,
    scheduler="DDIMScheduler",
    output_format="png",
)
IMAGE = Image.linear_gradient("L").resize((64, 72)).convert("RGB")


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
def test_the_bytes_are_a_picture_of_the_format_asked_for(output_format: OutputFormat) -> None:
    content = encode_image(IMAGE, PARAMETERS.model_copy(update={"output_format": output_format}), 42)
    with Image.open(io.BytesIO(content)) as image:
        assert Image.MIME[image.format or ""] == CONTENT_TYPES[output_format]
        assert image.size == (64, 72)


@pytest.mark.parametrize("prompt", ["a fox", "ein Füchslein", "狐 🦊"])
def test_a_png_carries_the_parameters_with_the_images_own_seed(prompt: str) -> None:
    content = encode_image(IMAGE, PARAMETERS.model_copy(update={"prompt": prompt}), 42)
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["parameters"] == (
            f"{prompt}\nNegative prompt: blurry\n"
            "Steps: 20, Sampler: DDIMScheduler, CFG scale: 4.0, Seed: 42, Size: 64x72, Model: pocket, Version: Darkroom"
        )
        assert image.convert("RGB").tobytes() == IMAGE.tobytes()


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert encode_image(IMAGE, PARAMETERS, 42) == encode_image(IMAGE.copy(), PARAMETERS, 42)
