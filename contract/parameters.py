"""The parameters of a generation, in diffusers' own names: as requested, and as effective.

Knows the bounds that hold for every model; a model's own limits are in model_catalog.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contract.webhook import WebhookRequest

MAX_SEED = 2**32 - 1
"""Seeds are 0 to 4294967295: exact in every client's number type and in every image tool's metadata."""

MAX_SIDE = 4096
"""Pixels."""

MAX_CLIP_SKIP = 11

MAX_TEXT = 4000
"""Characters."""

_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _printable(text: str) -> str:
    if _CONTROL_CHARACTERS.search(text):
        raise ValueError("must not contain control characters other than tab and line breaks")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_printable)]
Prompt = Annotated[Text, AfterValidator(_not_blank)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+ -]*$")]
Side = Annotated[int, Field(ge=64, le=MAX_SIDE, multiple_of=8, description="pixels")]
Steps = Annotated[int, Field(ge=1, le=200)]
GuidanceScale = Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)]
ImageCount = Annotated[int, Field(ge=1, le=16)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
ClipSkip = Annotated[int, Field(ge=0, le=MAX_CLIP_SKIP, description="last layers of the text encoder left out")]
OutputFormat = Literal["png", "jpeg", "webp"]


def highest_seed(num_images_per_prompt: int) -> int:
    """The highest seed of a request: image i is drawn from seed + i, and the last one's is at most MAX_SEED."""
    return MAX_SEED - num_images_per_prompt + 1


class GenerationRequest(BaseModel):
    """What a client asks for. Everything but the prompt may be left to the model's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: Annotated[Prompt, Field(description="what to draw", examples=["a watercolor of a hippo"])]
    negative_prompt: Annotated[Text | None, Field(description="what to keep away from")] = None
    model: Annotated[Name | None, Field(description="an id from GET /models; the first is the default")] = None
    width: Annotated[Side | None, Field(description="pixels")] = None
    height: Annotated[Side | None, Field(description="pixels")] = None
    num_inference_steps: Steps | None = None
    guidance_scale: Annotated[GuidanceScale | None, Field(description="how closely to follow the prompt")] = None
    num_images_per_prompt: ImageCount = 1
    seed: Annotated[Seed | None, Field(description="image i is drawn from seed + i; drawn at random if absent")] = None
    scheduler: Annotated[Name | None, Field(description="a name or diffusers class name from GET /schedulers")] = None
    style: Annotated[Name | None, Field(description="a name from GET /styles, around the prompt")] = None
    prompt_weighting: Annotated[bool, Field(description="whether `(word:1.3)` weighs, or is text")] = False
    clip_skip: ClipSkip | None = None
    embed_parameters: Annotated[bool | None, Field(description="whether the files hold the prompt and the rest")] = None
    output_format: OutputFormat = "png"


MAX_LABELS = 16
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=256), AfterValidator(_printable)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=MAX_LABELS)]


class JobRequest(GenerationRequest):
    """What a client posts: a generation, and what concerns its job alone."""

    labels: Annotated[Labels, Field(description="shown with the job, and what GET /jobs can filter by")] = {}
    deadline_seconds: Annotated[
        int | None, Field(ge=1, description="from now, in line too; the job fails where it has not ended by then")
    ] = None
    webhook: Annotated[WebhookRequest | None, Field(description="where to tell what happens to the job")] = None
    exclusive: Annotated[
        bool, Field(description="whether each image is drawn by itself: the same bytes, whatever else is in line")
    ] = False


class GenerationParameters(BaseModel):
    """What is drawn: nothing left open, so that posting it again gives the same pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Prompt
    negative_prompt: Text
    model: Name
    width: Side
    height: Side
    num_inference_steps: Steps
    guidance_scale: GuidanceScale
    num_images_per_prompt: ImageCount
    seed: Seed
    scheduler: Name
    prompt_weighting: bool = False
    clip_skip: ClipSkip = 0
    embed_parameters: bool = True
    output_format: OutputFormat

    @property
    def cost(self) -> int:
        """Pixels, times steps, times images: what a job weighs in the line and against the bounds."""
        return self.width * self.height * self.num_inference_steps * self.num_images_per_prompt
