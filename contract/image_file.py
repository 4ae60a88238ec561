"""A picture as the bytes of a file, with the parameters that made it.

Knows Pillow and the A1111 text form of parameters; knows nothing of where files are kept. The bytes depend on the
picture and its parameters alone: they hold no time and no job id.
"""

import io

import PIL
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from contract.parameters import GenerationParameters, OutputFormat

CONTENT_TYPES: dict[OutputFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_QUALITY = 92
ENCODER = f"pillow {PIL.__version__}, quality {_QUALITY}"
"""What the bytes depend on beside the pixels and the format."""


def encode_image(image: Image.Image, parameters: GenerationParameters, seed: int) -> bytes:
    """The bytes of an RGB image in the format that the parameters name; `seed` is this image's own."""
    text = PngInfo()
    text.add_text("parameters", parameters_text(parameters, seed, image.size))
    return encode_pixels(image, parameters.output_format, text)


def encode_pixels(image: Image.Image, output_format: OutputFormat, png_text: PngInfo | None = None) -> bytes:
    """The bytes of an RGB image; only a PNG holds the text."""
    buffer = io.BytesIO()
    if output_format == "png":
        image.save(buffer, "PNG", pnginfo=png_text)
    else:
        image.save(buffer, output_format.upper(), quality=_QUALITY)
    return buffer.getvalue()


def parameters_text(parameters: GenerationParameters, seed: int, size: tuple[int, int]) -> str:
    """The `parameters` text that AUTOMATIC1111's web UI writes and image tools read."""
    width, height = size
    settings = {
        "Steps": parameters.num_inference_steps,
        "Sampler": parameters.scheduler,
        "CFG scale": parameters.guidance_scale,
        "Seed": seed,
        "Size": f"{width}x{height}",
        "Model": parameters.model,
        "Version": "Darkroom",
    }
    line = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return f"{parameters.prompt}\nNegative prompt: {parameters.negative_prompt}\n{line}"
