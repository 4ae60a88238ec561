"""GET /v1/models and /v1/models/{id}: the models on offer, as OpenAI lists its own."""

from typing import Any

from starlette.convertors import Convertor, register_url_convertor

from contract.model import Model
from service.dependencies import WithOwner, WithParts
from service.dialects.openai.request import choose_model
from service.routes.router import api_router

router = api_router()


class _ModelId(Convertor[str]):
    """An id may hold slashes, though none at its end; what Replicate's API has under a model is no id."""

    regex = r"(?![^/]+/[^/]+/(?:predictions|versions)$)[^/](?:.*[^/])?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("openai_model_id", _ModelId())


@router.get("/v1/models")
async def list_models(_: WithOwner, parts: WithParts) -> dict[str, Any]:
    """In the order of models.toml: the first is the default."""
    return {"object": "list", "data": [_told(model) for model in parts.catalog.models.values()]}


@router.get("/v1/models/{model_id:openai_model_id}")
async def get_model(model_id: str, _: WithOwner, parts: WithParts) -> dict[str, Any]:
    """That model, or the one that stands in for one of OpenAI's."""
    return _told(choose_model(model_id, parts.catalog))


def _told(model: Model) -> dict[str, Any]:
    # Nobody knows when it came; clients want a number.
    return {"id": model.id, "object": "model", "created": 0, "owned_by": "darkroom"}
