"""models.toml, read and checked: which models are on offer, their defaults and their limits.

Knows files and parameters; knows nothing of pipelines. A source is resolved, never opened.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.errors import CatalogError, ParametersRefused, Refusal
from contract.parameters import (
    MAX_SEED,
    GenerationParameters,
    GenerationRequest,
    Guidance,
    ImageCount,
    Name,
    Side,
    Steps,
    Text,
    highest_seed,
)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelDefaults(_Entry):
    """What a request gets that leaves a parameter out."""

    width: Side
    height: Side
    num_inference_steps: Steps
    guidance_scale: Guidance
    scheduler: Name
    negative_prompt: Text = ""


class ModelLimits(_Entry):
    """The largest values that a request may name."""

    width: Side
    height: Side
    num_inference_steps: Steps
    num_images_per_prompt: ImageCount


class Model(_Entry):
    """A model on offer. `source` is a folder, relative to models.toml, or the id of a hub repository."""

    id: Name
    source: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    variant: str | None = None
    defaults: ModelDefaults
    limits: ModelLimits
    schedulers: Annotated[tuple[Name, ...], Field(min_length=1, description="diffusers class names")]

    @model_validator(mode="after")
    def _defaults_within_limits(self) -> Self:
        for name in ("width", "height", "num_inference_steps"):
            if getattr(self.defaults, name) > getattr(self.limits, name):
                raise ValueError(f"defaults.{name} is above limits.{name}")
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError("defaults.scheduler is not in schedulers")
        return self

    def complete(self, request: GenerationRequest, seed: int) -> GenerationParameters:
        """The effective parameters; `seed` is used where the request names none.

        Raises ParametersRefused with every field that is above a limit of this model.
        """
        asked = request.model_dump(exclude_none=True)
        effective = {**self.defaults.model_dump(), "seed": seed, **asked, "model": self.id}
        refusals = [
            Refusal(f"/{name}", f"must be at most {limit} for model {self.id!r}")
            for name, limit in self.limits.model_dump().items()
            if effective[name] > limit
        ]
        highest = highest_seed(effective["num_images_per_prompt"])
        if effective["seed"] > highest:
            detail = f"must be at most {highest}, so that the last image's seed is at most {MAX_SEED}"
            refusals.append(Refusal("/seed", detail))
        if effective["scheduler"] not in self.schedulers:
            refusals.append(Refusal("/scheduler", f"must be one of {', '.join(self.schedulers)}"))
        if refusals:
            raise ParametersRefused(refusals)
        return GenerationParameters(**effective)


class ModelCatalog:
    """The models on offer, in the order of models.toml; the first is the default."""

    def __init__(self, models: list[Model]) -> None:
        self.models = {model.id: model for model in models}
        self.default = models[0]

    def choose(self, model_id: str | None) -> Model:
        """The model with that id, or the default. Raises ParametersRefused for an id that is not on offer."""
        if model_id is None:
            return self.default
        if model_id not in self.models:
            raise ParametersRefused([Refusal("/model", f"must be one of {', '.join(self.models)}")])
        return self.models[model_id]


def read_model_catalog(path: Path) -> ModelCatalog:
    """The catalog in a TOML file of `[[models]]` tables.

    A source that names a folder beside the file becomes its absolute path. Raises CatalogError.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from None
    tables = document.get("models")
    if not isinstance(tables, list) or not tables:
        raise CatalogError(f"{path}: holds no [[models]] table")
    models = [_read_model(path, index, table) for index, table in enumerate(tables)]
    names = [model.id for model in models]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise CatalogError(f"{path}: the id {repeated!r} is used more than once")
    return ModelCatalog(models)


def _read_model(path: Path, index: int, table: dict[str, Any]) -> Model:
    try:
        model = Model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        name = table.get("id", index + 1) if isinstance(table, dict) else index + 1
        raise CatalogError(f"{path}: model {name!r}: {key or 'entry'}: {first['msg']}") from None
    folder = (path.parent / model.source).resolve()
    return model.model_copy(update={"source": str(folder)}) if folder.is_dir() else model
