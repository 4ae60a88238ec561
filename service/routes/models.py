"""GET /models: what is on offer."""

from fastapi import APIRouter
from pydantic import BaseModel

from contract.model_catalog import ModelDefaults, ModelLimits
from service.dependencies import WithParts

router = APIRouter()


class OfferedModel(BaseModel):
    """A model that a request may name."""

    id: str
    default: bool
    defaults: ModelDefaults
    limits: ModelLimits
    schedulers: tuple[str, ...]


class OfferedModels(BaseModel):
    models: list[OfferedModel]


@router.get("/models", operation_id="list_models", summary="The models on offer")
async def list_models(parts: WithParts) -> OfferedModels:
    """With their defaults and limits; a request without a model gets the one whose `default` is true."""
    catalog = parts.catalog
    return OfferedModels(
        models=[
            OfferedModel(
                id=model.id,
                default=model is catalog.default,
                defaults=model.defaults,
                limits=model.limits,
                schedulers=model.schedulers,
            )
            for model in catalog.models.values()
        ]
    )
