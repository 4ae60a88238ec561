"""GET /models: what is on offer, and how it stands with the workers. GET /schedulers: how it can be denoised."""

from pydantic import BaseModel
from redis.exceptions import RedisError

from contract.model import GuidanceKind, Model, ModelDefaults, ModelLimits
from contract.schedulers import SCHEDULERS, Scheduler
from contract.worker_state import ModelState
from service.dependencies import WithOwner, WithParts
from service.routes.router import api_router
from service.workers import read_model_states

router = api_router("models")


class _Offer(BaseModel):
    id: str
    default: bool
    licence: str | None
    guidance: GuidanceKind
    prompt_weighting: bool
    defaults: ModelDefaults
    limits: ModelLimits
    schedulers: tuple[str, ...]


class OfferedModel(ModelState, _Offer):
    """A model that a request may name, and how it stands in the worker that is readiest for it."""


class OfferedModels(BaseModel):
    models: list[OfferedModel]


class OfferedScheduler(Scheduler):
    """`models` are the ids of those that take it."""

    models: list[str]


class OfferedSchedulers(BaseModel):
    schedulers: list[OfferedScheduler]


@router.get("/models", operation_id="list_models", summary="The models on offer")
async def list_models(_: WithOwner, parts: WithParts) -> OfferedModels:
    """With their defaults and limits; a request without a model gets the one whose `default` is true."""
    catalog = parts.catalog
    try:
        states = await read_model_states(parts.client)
    except RedisError:
        states = {}  # what is on offer can be told without it
    return OfferedModels(
        models=[
            _offered(model, model is catalog.default, states.get(model.id, ModelState()))
            for model in catalog.models.values()
        ]
    )


@router.get("/schedulers", operation_id="list_schedulers", summary="The schedulers on offer")
async def list_schedulers(_: WithOwner, parts: WithParts) -> OfferedSchedulers:
    """A request names one by its `name`, or, the first of a class, by its `class_name`."""
    models = parts.catalog.models.values()
    return OfferedSchedulers(
        schedulers=[
            OfferedScheduler(
                **scheduler.model_dump(),
                models=[model.id for model in models if scheduler in model.offered_schedulers],
            )
            for scheduler in SCHEDULERS
        ]
    )


def _offered(model: Model, default: bool, state: ModelState) -> OfferedModel:
    return OfferedModel(
        **state.model_dump(),
        id=model.id,
        default=default,
        licence=model.licence,
        guidance=model.guidance,
        prompt_weighting=model.prompt_weighting,
        defaults=model.defaults,
        limits=model.limits,
        schedulers=tuple(scheduler.name for scheduler in model.offered_schedulers),
    )
