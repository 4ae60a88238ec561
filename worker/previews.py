"""A preview: what a job's first picture looks like after a step, and the message that carries it.

Knows numpy and Pillow; knows nothing of latents, or of who listens.
"""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PreviewArray = NDArray[np.uint8]
"""RGB, height x width x 3, as large as the latents: an eighth of the picture's sides."""

Peek = Callable[[], PreviewArray | None]
"""Makes the preview of the step that is just done, only while that step's callback runs; None: nothing is there."""

_LONGER_SIDE = 256
_QUALITY = 70


@dataclass(frozen=True)
class Preview:
    """Made after `step` of `total`."""

    step: int
    total: int
    pixels: PreviewArray


def preview_message(job_id: str, preview: Preview) -> str:
    """`<job id> <json>`, with the preview as a JPEG in a data URL: 3 to 13 kB, 45 kB for a large picture's noise."""
    image = "data:image/jpeg;base64," + base64.b64encode(_jpeg(preview.pixels)).decode()
    return f"{job_id} " + json.dumps({"step": preview.step, "total": preview.total, "image": image})


def _jpeg(pixels: PreviewArray) -> bytes:
    """Scaled so that the longer side is 256 pixels: latents are small, and browsers scale them up in blocks."""
    image = Image.fromarray(pixels)
    scale = _LONGER_SIDE / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
