"""A picture as the bytes of a file, with the parameters that made it.

Knows Pillow and the A1111 text form of parameters; knows nothing of where files are kept. The bytes depend on the
picture and its parameters alone: they hold no time and no job id.
"""

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from contract.parameters import GenerationParameters, OutputFormat

CONTENT_TYPES: dict[OutputFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_QUALITY = 92


def encode_image(image: Image.Image, parameters: GenerationParameters, seed: int) -> bytes:
    """The bytes of an RGB image in the format that the parameters name; `seed` is this image's own."""
    buffer = io.BytesIO()
    if parameters.output_format == "png":
        text = PngInfo()
        text.add_text("parameters", parameters_text(parameters, seed, image.size))
        image.save(buffer, "PNG", pnginfo=text)
    else:
        image.save(buffer, parameters.output_format.upper(), quality=_QUALITY)
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
