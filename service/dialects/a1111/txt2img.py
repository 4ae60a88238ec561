"""What POST /sdapi/v1/txt2img asks for, and the jobs that draw it.

Knows the web UI's fields and what a model takes; knows nothing of how jobs run. A client that names its model is held
to what that model takes. One that names none cannot know what it will be: its request is brought within the limits.
"""

import re
import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from contract.errors import ParametersRefused, Refusal
from contract.model import GuidanceKind, Model
from contract.model_catalog import ModelCatalog
from contract.parameters import MAX_SEED, MAX_SIDE, JobRequest, highest_seed
from service.dialects.a1111.samplers import choose_scheduler, sampler_names
from service.dialects.refused_fields import job_request
from service.dialects.sizes import LEAST_SIDE, drawable_side, drawable_size
from service.jobs.completion import draw_seed

MAX_IMAGES = 32
"""Of one request: they are in one answer, and in memory while it is made."""
LABEL = ("dialect", "a1111")
REQUEST_LABEL, PART_LABEL = "request", "part"
"""The same for all jobs of one request; and which of them a job is, as in `2/3`."""

_Count = Annotated[int, Field(ge=1)]
_Side = Annotated[int, Field(ge=LEAST_SIDE, le=MAX_SIDE)]


class _Lenient(BaseModel):
    """As the web UI takes it: numbers as text too, null for what is left out, and fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OverrideSettings(_Lenient):
    sd_model_checkpoint: str | None = None
    clip_stop_at_last_layers: Annotated[int | None, Field(alias="CLIP_stop_at_last_layers")] = None


class Txt2Img(_Lenient):
    """The fields that have a meaning here."""

    prompt: str | None = None
    negative_prompt: str | None = None
    styles: list[str] | None = None
    seed: int | None = None
    sampler_name: str | None = None
    sampler_index: str | None = None
    scheduler: str | None = None
    batch_size: _Count | None = None
    n_iter: _Count | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    width: _Side | None = None
    height: _Side | None = None
    override_settings: OverrideSettings | None = None
    send_images: bool | None = None

    @property
    def overrides(self) -> OverrideSettings:
        return self.override_settings or OverrideSettings()

    @property
    def image_count(self) -> int:
        return (self.batch_size or 1) * (self.n_iter or 1)


def find_model(catalog: ModelCatalog, name: str, pointer: str = "/model") -> Model:
    """The model of that id, also written as the title or the file of a checkpoint. Raises ParametersRefused."""
    plain = re.sub(r" \[[0-9A-Fa-f]+\]$", "", name).removesuffix(".safetensors").removesuffix(".ckpt")
    if plain not in catalog.models:
        raise ParametersRefused([Refusal(pointer, f"must be one of {', '.join(catalog.models)}")])
    return catalog.models[plain]


def job_requests(asked: Txt2Img, catalog: ModelCatalog, chosen: Model) -> list[JobRequest]:
    """The jobs that draw it, in order; `chosen` is drawn with where the request names no model.

    Image i of them all has seed + i. Raises ParametersRefused and ValidationFailed.
    """
    named = asked.overrides.sd_model_checkpoint
    model = find_model(catalog, named) if named else chosen
    fields = _fields(asked, model)
    if not named:
        fields |= _within_limits(fields, model)
    counts = _counts(asked.image_count, model.limits.num_images_per_prompt)
    seeds = _first_seeds(asked, counts)
    request_id = secrets.token_hex(8)
    return [
        job_request(
            fields
            | {"num_images_per_prompt": count, "seed": seed}
            | {"labels": dict([LABEL]) | {REQUEST_LABEL: request_id, PART_LABEL: f"{part}/{len(counts)}"}}
        )
        for part, (count, seed) in enumerate(zip(counts, seeds, strict=True), 1)
    ]


def _fields(asked: Txt2Img, model: Model) -> dict[str, Any]:
    """Those of a job request, as they were asked for; without what was left out."""
    scheduler = choose_scheduler(model, asked.sampler_name or asked.sampler_index, asked.scheduler)
    if scheduler is None:
        raise ParametersRefused([Refusal("/sampler_name", f"must be one of {', '.join(sampler_names(model))}")])
    layers = asked.overrides.clip_stop_at_last_layers
    fields = {
        "prompt": asked.prompt or "",
        "negative_prompt": asked.negative_prompt,
        "model": model.id,
        "num_inference_steps": asked.steps,
        "guidance_scale": asked.cfg_scale,
        "scheduler": scheduler.name,
        "style": _style(asked.styles or []),
        "prompt_weighting": model.prompt_weighting,
        "clip_skip": None if layers is None else max(0, layers - 1),  # there 1 leaves no layer out
        "width": asked.width and drawable_side(asked.width),  # as the web UI rounds
        "height": asked.height and drawable_side(asked.height),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _style(names: list[str]) -> str | None:
    if len(names) > 1:
        raise ParametersRefused([Refusal("/style", "must be at most one")])
    return names[0] if names else None


def _within_limits(fields: dict[str, Any], model: Model) -> dict[str, Any]:
    """What has to be another value for this model: the nearest that it takes."""
    limits, known = model.limits, dict(model.defaults) | fields
    changed: dict[str, Any] = {
        name: min(known[name], getattr(limits, name)) for name in ("num_inference_steps", "clip_skip")
    }
    changed["width"], changed["height"] = drawable_size(known["width"], known["height"], model)
    if model.guidance is not GuidanceKind.CLASSIFIER_FREE:
        changed["negative_prompt"] = ""
    if model.guidance is GuidanceKind.NONE:
        changed["guidance_scale"] = min(known["guidance_scale"], 1.0)
    return changed


def _counts(images: int, most: int) -> list[int]:
    if images > MAX_IMAGES:
        detail = f"times batch_size, {images} images, must be at most {MAX_IMAGES}"
        raise ParametersRefused([Refusal("/n_iter", detail)])
    whole, rest = divmod(images, most)
    return [most] * whole + [rest] * (rest > 0)


def _first_seeds(asked: Txt2Img, counts: list[int]) -> list[int]:
    """Of each job. A negative seed is drawn at random, as one that is left out."""
    images = sum(counts)
    first = draw_seed(images) if asked.seed is None or asked.seed < 0 else asked.seed
    highest = highest_seed(images)
    if first > highest:
        detail = f"must be at most {highest}, so that the last image's seed is at most {MAX_SEED}"
        raise ParametersRefused([Refusal("/seed", detail)])
    return [first + sum(counts[:part]) for part in range(len(counts))]
