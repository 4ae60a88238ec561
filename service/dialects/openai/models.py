"""GET /v1/models and /v1/models/{id}: the models on offer, as OpenAI lists its own."""

from typing import Any

from contract.model import Model
from service.dependencies import WithOwner, WithParts
from service.dialects.model_id import MODEL_ID
from service.dialects.openai.request import choose_model
from service.routes.router import api_router

router = api_router()


@router.get("/v1/models")
async def list_models(_: WithOwner, parts: WithParts) -> dict[str, Any]:
    """In the order of models.toml: the first is the default."""
    return {"object": "list", "data": [_told(model) for model in parts.catalog.models.values()]}


@router.get(f"/v1/models/{MODEL_ID}")
async def get_model(model_id: str, _: WithOwner, parts: WithParts) -> dict[str, Any]:
    """That model, or the one that stands in for one of OpenAI's."""
    return _told(choose_model(model_id, parts.catalog))


def _told(model: Model) -> dict[str, Any]:
    # Nobody knows when it came; clients want a number.
    return {"id": model.id, "object": "model", "created": 0, "owned_by": "darkroom"}
