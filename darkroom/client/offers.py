"""What the service has on offer: models, schedulers, styles. As records.py, of which these are more."""

from collections.abc import Mapping
from typing import Any

from darkroom.client.records import Record


class ModelDefaults(Record):
    """What a request to this model is drawn with where it says nothing else."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    negative_prompt: str = ""
    clip_skip: int = 0


class ModelLimits(Record):
    """The most that a request to this model may ask for."""

    width: int = 4096
    height: int = 4096
    pixels: int
    num_inference_steps: int
    num_images_per_prompt: int
    clip_skip: int = 0


class Model(Record):
    """A model that a request may name, and how it stands in the worker that is readiest for it."""

    id: str
    default: bool
    licence: str | None
    guidance: str
    prompt_weighting: bool
    defaults: ModelDefaults
    limits: ModelLimits
    schedulers: list[str]
    state: str = "cold"
    rung: str | None = None
    size_bytes: int | None = None
    mean_seconds_per_image: float | None = None
    can_run: bool | None = None
    reason: str | None = None


class Models(Record):
    """All that are on offer."""

    models: list[Model]


class Scheduler(Record):
    """A method of denoising, and the ids of the `models` that take it."""

    name: str
    class_name: str
    options: Mapping[str, Any] = {}
    family: str = "diffusion"
    models: list[str]


class Schedulers(Record):
    """All that there are."""

    schedulers: list[Scheduler]


class Style(Record):
    """Words around a prompt, which goes where `{prompt}` stands."""

    name: str
    prompt: str
    negative_prompt: str = ""


class Styles(Record):
    """All that are on offer."""

    styles: list[Style]
