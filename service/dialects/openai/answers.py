"""What OpenAI's clients are told of a job's pictures: the whole answer, and the events of a stream.

Knows OpenAI's fields and jobs; knows nothing of requests.
"""

import base64
import time
from typing import Any

from contract.job import GeneratedImage, Job
from contract.parameters import GenerationParameters

_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "total_tokens": 0,
}
"""Clients want it to be there. Nothing is counted in tokens here."""


def whole_answer(job: Job, data: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer without a stream; `data` is one entry for each picture."""
    return {"created": int(time.time()), **_about(job.parameters), "data": data, "usage": _USAGE}


def picture(image: GeneratedImage, file: bytes) -> dict[str, Any]:
    """An entry of `data`, with its own seed, which OpenAI's have not."""
    return {"b64_json": _base64(file), "seed": image.seed}


def linked_picture(image: GeneratedImage, url: str) -> dict[str, Any]:
    """The same where the client fetches it from that URL."""
    return {"url": url, "seed": image.seed}


def partial_image(job: Job, index: int, file: bytes) -> dict[str, Any]:
    """The event of a preview, the `index`-th from 0 of the stream."""
    return _event("image_generation.partial_image", job, file) | {"partial_image_index": index}


def completed(job: Job, image: GeneratedImage, file: bytes) -> dict[str, Any]:
    """The event of a picture; a stream has one for each."""
    return _event("image_generation.completed", job, file) | {"usage": _USAGE, "seed": image.seed}


def _event(kind: str, job: Job, file: bytes) -> dict[str, Any]:
    return {"type": kind, "b64_json": _base64(file), "created_at": int(time.time()), **_about(job.parameters)}


def _about(parameters: GenerationParameters) -> dict[str, str]:
    """What all pictures of a job have in common. None can be seen through, and each is drawn as well as it can be."""
    return {
        "background": "opaque",
        "output_format": parameters.output_format,
        "quality": "high",
        "size": f"{parameters.width}x{parameters.height}",
    }


def _base64(file: bytes) -> str:
    return base64.b64encode(file).decode()
