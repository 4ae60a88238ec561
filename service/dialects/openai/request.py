"""What OpenAI's clients ask for, and the native request that it is.

Knows both sets of fields and the models on offer. Values are judged where native ones are; what has no effect here is
not looked at.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contract.errors import ParametersRefused
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import JobRequest
from service.dialects.openai.errors import ModelNotFound
from service.dialects.refused_fields import job_request
from service.dialects.sizes import drawable_size

_THEIR_MODELS = re.compile(r"(?:gpt-image|chatgpt-image|dall-e)-")
"""How the ids of OpenAI's image models begin, which many clients send without asking."""
_THEIR_STYLES = ("vivid", "natural")
_SIZE = re.compile(r"auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
_SAME = {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "seed", "scheduler"}
"""Fields that are called as ours are: all but the prompt are extensions."""


def _readable_size(size: str | None) -> str | None:
    if size is not None and not _SIZE.fullmatch(size):
        raise ValueError("must be auto, or width x height in pixels, such as 512x512")
    return size


class ImagesRequest(BaseModel):
    """The fields that have an effect here; null is as if it were left out, and all others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    prompt: str
    model: str | None = None
    n: int | None = None
    size: Annotated[str | None, AfterValidator(_readable_size)] = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: str | None = None
    background: Literal["auto", "opaque"] | None = None
    style: str | None = None
    stream: bool | None = None
    partial_images: Annotated[int | None, Field(ge=0, le=3)] = None
    negative_prompt: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    scheduler: str | None = None


def native_request(asked: ImagesRequest, catalog: ModelCatalog) -> JobRequest:
    """The job that it asks for. Raises ModelNotFound, and ValidationFailed with pointers to native fields."""
    model = choose_model(asked.model, catalog)
    width, height = _sides(asked.size)
    if width and height and asked.model != model.id:
        width, height = drawable_size(width, height, model)
    return job_request(
        {
            **asked.model_dump(include=_SAME),
            "model": model.id,
            "width": width,
            "height": height,
            "num_images_per_prompt": 1 if asked.n is None else asked.n,
            "output_format": asked.output_format or "png",
            "style": None if asked.style in _THEIR_STYLES else asked.style,
            "labels": {"dialect": "openai"},
        }
    )


def choose_model(model_id: str | None, catalog: ModelCatalog) -> Model:
    """The model with that id; the default one where none is named, or one of OpenAI's. Raises ModelNotFound."""
    try:
        return catalog.choose(model_id or None)
    except ParametersRefused as error:
        if model_id is not None and _THEIR_MODELS.match(model_id):
            return catalog.default
        raise ModelNotFound(error.refusals) from None


def _sides(size: str | None) -> tuple[int | None, int | None]:
    if size in (None, "auto"):
        return None, None
    width, _, height = size.partition("x")
    return int(width), int(height)
