"""A model on offer: where it comes from, what it gives a request that leaves something open, and what it refuses.

Knows parameters and scheduler names; knows nothing of files or pipelines: a source is named here, never opened.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.errors import ParametersRefused, Refusal
from contract.parameters import (
    MAX_SEED,
    MAX_SIDE,
    ClipSkip,
    GenerationParameters,
    GenerationRequest,
    GuidanceScale,
    ImageCount,
    Name,
    Side,
    Steps,
    Text,
    highest_seed,
)
from contract.prompt_weights import MAX_WEIGHT, has_weight_out_of_range
from contract.rung import MemoryChoice
from contract.schedulers import SCHEDULERS, Scheduler, find_scheduler

_MIN_SIDE = 64
_ASKED = set(GenerationRequest.model_fields) - {"style"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelDefaults(_Part):
    """What a request gets that leaves a parameter out."""

    width: Side
    height: Side
    num_inference_steps: Steps
    guidance_scale: GuidanceScale
    scheduler: Name
    negative_prompt: Text = ""
    clip_skip: ClipSkip = 0


class ModelLimits(_Part):
    """The largest values that a request may name; `pixels` are those of one image, width times height."""

    width: Side = MAX_SIDE
    height: Side = MAX_SIDE
    pixels: Annotated[int, Field(ge=_MIN_SIDE**2, le=MAX_SIDE**2)]
    num_inference_steps: Steps
    num_images_per_prompt: ImageCount
    clip_skip: ClipSkip = 0


class GuidanceKind(StrEnum):
    """What `guidance_scale` does.

    classifier_free   above 1 every step is computed with and without the prompt: twice the work, and a negative prompt
    embedded          the scale is an input of the model: LCM, Flux dev; there is no negative prompt
    none              the model was trained to be run without: the turbo kinds; there is no negative prompt
    """

    CLASSIFIER_FREE = "classifier_free"
    EMBEDDED = "embedded"
    NONE = "none"


Precision = Literal["auto", "float32", "float16", "bfloat16"]


class Model(_Part):
    """An entry of models.toml. With a `revision`, `source` is a hub repository; otherwise a folder or a single file."""

    id: Name
    source: Annotated[str, Field(min_length=1)]
    revision: Annotated[str | None, Field(pattern=r"^[0-9a-f]{40}$", description="a commit, in full")] = None
    config: Annotated[str | None, Field(description="of a single file: the folder with its pipeline's config")] = None
    variant: Annotated[str | None, Field(pattern=r"^[a-z0-9_]+$")] = None
    dtype: Precision = "auto"
    memory: MemoryChoice = "auto"
    licence: str | None = None
    guidance: GuidanceKind = GuidanceKind.CLASSIFIER_FREE
    prompt_weighting: Annotated[bool, Field(description="whether its text encoders are CLIP's, which can weigh")] = (
        False
    )
    schedulers: Annotated[tuple[Name, ...], Field(description="all of the default's family if left out")] = ()
    defaults: ModelDefaults
    limits: ModelLimits

    @model_validator(mode="after")
    def _source_is_whole(self) -> Self:
        if self.is_file and self.config is None:
            raise ValueError("config is missing: a single file needs a folder with its pipeline's configuration")
        if self.config is not None and not self.is_file:
            raise ValueError("config belongs to a single .safetensors file")
        if self.revision and not _is_repository(self.source):
            raise ValueError("source must be the id of a hub repository, owner/name, where a revision is given")
        return self

    @model_validator(mode="after")
    def _schedulers_are_known(self) -> Self:
        for name in (self.defaults.scheduler, *self.schedulers):
            if find_scheduler(name) is None:
                known = ", ".join(scheduler.name for scheduler in SCHEDULERS)
                raise ValueError(f"{name!r} is no scheduler that Darkroom knows: {known}")
        if self.find_scheduler(self.defaults.scheduler) is None:
            raise ValueError("defaults.scheduler is not in schedulers")
        return self

    @model_validator(mode="after")
    def _defaults_within_limits(self) -> Self:
        asked = GenerationRequest(prompt="any").model_dump(exclude_none=True)
        refusals = self._refusals(self.defaults.model_dump() | asked)
        if refusals:
            raise ValueError(f"defaults.{refusals[0].pointer.removeprefix('/')} {refusals[0].detail}")
        return self

    @property
    def is_file(self) -> bool:
        return self.source.endswith(".safetensors")

    @property
    def offered_schedulers(self) -> tuple[Scheduler, ...]:
        """In the order of models.toml, or of the table."""
        return _offered(self.schedulers, self.defaults.scheduler)

    def is_guided(self, guidance_scale: float) -> bool:
        """Whether every step is computed with and without the prompt: two rows for each image."""
        return self.guidance is GuidanceKind.CLASSIFIER_FREE and guidance_scale > 1

    def find_scheduler(self, name: str) -> Scheduler | None:
        """The scheduler of that name or class name, if this model offers it."""
        scheduler = find_scheduler(name)
        return scheduler if scheduler in self.offered_schedulers else None

    def complete(self, request: GenerationRequest, seed: int) -> GenerationParameters:
        """The effective parameters of a request whose style, if any, is applied; `seed` is used where it names none.

        Raises ParametersRefused with every field that this model does not take.
        """
        asked = request.model_dump(exclude_none=True, include=_ASKED)
        effective = {**dict(self.defaults), "seed": seed, **asked, "model": self.id}
        refusals = self._refusals(effective)
        scheduler = self.find_scheduler(effective["scheduler"])
        if refusals or scheduler is None:
            raise ParametersRefused(refusals)
        return GenerationParameters.model_validate(effective | {"scheduler": scheduler.name})

    def _refusals(self, effective: dict[str, Any]) -> list[Refusal]:
        return [
            *self._above_limits(effective),
            *self._guidance_refused(effective),
            *self._weights_refused(effective),
            *self._scheduler_refused(effective),
        ]

    def _above_limits(self, effective: dict[str, Any]) -> list[Refusal]:
        refusals = [
            Refusal(f"/{name}", f"must be at most {limit} for model {self.id!r}")
            for name, limit in self.limits
            if name != "pixels" and effective[name] > limit
        ]
        pixels = effective["width"] * effective["height"]
        if pixels > self.limits.pixels:
            detail = f"times height, {pixels} pixels, must be at most {self.limits.pixels} for model {self.id!r}"
            refusals.append(Refusal("/width", detail))
        highest = highest_seed(effective["num_images_per_prompt"])
        if effective.get("seed", 0) > highest:
            detail = f"must be at most {highest}, so that the last image's seed is at most {MAX_SEED}"
            refusals.append(Refusal("/seed", detail))
        return refusals

    def _guidance_refused(self, effective: dict[str, Any]) -> list[Refusal]:
        if self.guidance is GuidanceKind.CLASSIFIER_FREE:
            return []
        refusals = []
        if effective["negative_prompt"]:
            detail = f"has no effect on model {self.id!r}, which is run without it: leave it out"
            refusals.append(Refusal("/negative_prompt", detail))
        if self.guidance is GuidanceKind.NONE and effective["guidance_scale"] > 1:
            detail = f"must be at most 1 for model {self.id!r}, which is run without guidance: leave it out"
            refusals.append(Refusal("/guidance_scale", detail))
        return refusals

    def _weights_refused(self, effective: dict[str, Any]) -> list[Refusal]:
        if not effective["prompt_weighting"]:
            return []
        if not self.prompt_weighting:
            return [Refusal("/prompt_weighting", f"is not possible with model {self.id!r}: leave it out")]
        detail = f"must not weigh words with less than 0 or more than {MAX_WEIGHT:g}; brackets in brackets multiply"
        return [
            Refusal(f"/{name}", detail)
            for name in ("prompt", "negative_prompt")
            if has_weight_out_of_range(effective[name])
        ]

    def _scheduler_refused(self, effective: dict[str, Any]) -> list[Refusal]:
        if self.find_scheduler(effective["scheduler"]):
            return []
        names = ", ".join(scheduler.name for scheduler in self.offered_schedulers)
        return [Refusal("/scheduler", f"must be one of {names}, or the diffusers class name of one")]


@lru_cache
def _offered(names: tuple[str, ...], default: str) -> tuple[Scheduler, ...]:
    if names:
        return tuple(found for name in names if (found := find_scheduler(name)))
    its = find_scheduler(default)
    return tuple(each for each in SCHEDULERS if its and each.family is its.family)


def _is_repository(source: str) -> bool:
    owner, slash, name = source.partition("/")
    return bool(owner and slash and name) and "/" not in name
