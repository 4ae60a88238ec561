"""What a client of Replicate asks for, as a request for a job.

Knows the names of Replicate's models' inputs; what values they may have is judged where the job's are.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from contract.errors import Refusal
from contract.model import Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationRequest, JobRequest
from contract.webhook import PredictionWebhook, WebhookEvent
from service.dialects.refused_fields import refused_as
from service.dialects.replicate.prediction import their_name
from service.dialects.sizes import size_of_shape
from service.errors import ValidationFailed

_TAKEN = sorted(set(GenerationRequest.model_fields) - {"model"})
_SCHEDULERS = {
    "DPMSolverMultistep": "DPM++ 2M",
    "DPM++2MSDE": "DPM++ 2M SDE",
    "HeunDiscrete": "Heun",
    "KarrasDPM": "DPM++ 2M Karras",
    "K_EULER": "Euler",
    "K_EULER_ANCESTRAL": "Euler a",
    "UniPCMultistep": "UniPC",
}
"""As the models for Stable Diffusion there name them, where it is not as here."""
_ENDS: list[WebhookEvent] = ["job.succeeded", "job.failed", "job.canceled"]
_EVENTS: dict[str, list[WebhookEvent]] = {
    "start": ["job.running"],
    "output": ["job.succeeded"],
    "logs": _ENDS,  # nothing is told at every step: they are whole then
    "completed": _ENDS,
}
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_RATIO = re.compile(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2})")

Fields = dict[str, Any]


class PredictionRequest(BaseModel):
    """The body. What a model's input may hold, the model says."""

    model_config = ConfigDict(strict=True, extra="ignore")

    version: str | None = None
    input: Fields = {}
    webhook: str | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None


def find_model(catalog: ModelCatalog, name: str) -> str | None:
    """The id of the model that is called `id`, `owner/name` or `owner/name:version`; None where there is none.

    Any owner does where an id has none: `model_name` gives it one that it can be called by.
    """
    name = name.partition(":")[0]
    candidates = (name, name.partition("/")[2])
    return next((model_id for model_id in candidates if model_id in catalog.models), None)


def job_request(asked: PredictionRequest, model: Model, base_url: str) -> JobRequest:
    """Raises ValidationFailed, as their clients sent it."""
    given = {name: value for name, value in asked.input.items() if value is not None}
    fields = {name: given[name] for name in _TAKEN if name in given}
    if "num_outputs" in given:
        fields.setdefault("num_images_per_prompt", given["num_outputs"])
    if fields.get("output_format") == "jpg":
        fields["output_format"] = "jpeg"
    scheduler = fields.get("scheduler")
    if isinstance(scheduler, str):
        fields["scheduler"] = _SCHEDULERS.get(scheduler, scheduler)
    if not fields.keys() & {"width", "height"}:
        fields |= _sides(given, model)
    webhook = _webhook(asked, base_url)
    with refused_as(their_pointer):
        return JobRequest(**fields, model=model.id, webhook=webhook, labels={"dialect": "replicate"})


def their_pointer(native: str) -> str:
    """Where they have what a native request has there."""
    if native.startswith("/webhook"):
        return "/webhook"
    return f"/input/{their_name(native.removeprefix('/'))}"


def _webhook(asked: PredictionRequest, base_url: str) -> PredictionWebhook | None:
    if asked.webhook is None:
        return None
    wanted = asked.webhook_events_filter or ["completed"]
    events = list(dict.fromkeys(event for each in wanted for event in _EVENTS[each]))
    with refused_as(lambda _: "/webhook"):
        return PredictionWebhook(url=asked.webhook, events=events, prediction_base_url=base_url)


def _sides(given: Fields, model: Model) -> dict[str, int]:
    """From `size`, or the model's own in the shape of `aspect_ratio`."""
    if "size" in given:
        width, height = _numbers("size", _SIZE, given["size"], "must be as 1024x768")
        return {"width": width, "height": height}
    if "aspect_ratio" in given:
        width, height = _numbers("aspect_ratio", _RATIO, given["aspect_ratio"], "must be as 16:9")
        width, height = size_of_shape(width, height, model)
        return {"width": width, "height": height}
    return {}


def _numbers(name: str, pattern: re.Pattern[str], value: object, detail: str) -> tuple[int, int]:
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValidationFailed([Refusal(f"/input/{name}", detail)])
    return int(found[1]), int(found[2])
