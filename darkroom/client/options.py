"""What a request for pictures may hold beside its prompt, in the API's own names; docs/api.md has the limits.

Knows which names there are; what they may be is the service's to say.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

OutputFormat = Literal["png", "jpeg", "webp"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]
WebhookEvent = Literal["job.running", "job.succeeded", "job.failed", "job.canceled"]


class _WebhookUrl(TypedDict):
    url: str


class WebhookOptions(_WebhookUrl, total=False):
    """Where to tell of a job, and what; if absent, its end."""

    events: Iterable[WebhookEvent]


class GenerationOptions(TypedDict, total=False):
    """Each may be left out, or None, for the default of the model or of the service."""

    negative_prompt: str | None
    model: str | None
    width: int | None
    height: int | None
    num_inference_steps: int | None
    guidance_scale: float | None
    num_images_per_prompt: int | None
    seed: int | None
    scheduler: str | None
    style: str | None
    prompt_weighting: bool | None
    clip_skip: int | None
    embed_parameters: bool | None
    output_format: OutputFormat | None
    labels: Mapping[str, str] | None
    deadline_seconds: int | None
    webhook: WebhookOptions | None
    exclusive: bool | None


_NAMES = ("prompt", *GenerationOptions.__annotations__)


def request_body(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is posted: those that are not None. Raises TypeError for one that there is not."""
    for name in parameters:
        if name not in _NAMES:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(_NAMES)}")
    return {name: value for name, value in parameters.items() if value is not None}
