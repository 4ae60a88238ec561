"""POST /huggingface, and /huggingface/models/{model}: text to one picture, as Hugging Face's inference clients ask.

Knows their contract; knows nothing of how a picture comes about.
"""

from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from contract.image_file import CONTENT_TYPES
from contract.parameters import GenerationRequest, JobRequest
from service.access.owners import Owner
from service.dependencies import Parts, WithOwner, WithParts
from service.dialects.attended import attended, contents, end_of
from service.dialects.model_id import MODEL_ID
from service.dialects.refused_fields import refused_as
from service.errors import NotFound
from service.headers.content_negotiation import preferred_format
from service.routes.router import api_router
from service.wire.json_body import json_body

_PARAMETERS = set(GenerationRequest.model_fields) - {"prompt", "model", "num_images_per_prompt"}
"""Taken by our names, which are theirs as well. One picture is all that the answer has room for."""

router = api_router()


class TextToImage(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(strict=True, extra="ignore")

    inputs: Any = None
    parameters: dict[str, Any] | None = None


_Asked = Annotated[TextToImage, Depends(json_body(TextToImage))]


@router.post("/huggingface")
async def default_model(request: Request, owner: WithOwner, asked: _Asked, parts: WithParts) -> Response:
    """By the first model on offer."""
    return await _picture(request, parts, asked, owner, None)


@router.post(f"/huggingface/models/{MODEL_ID}")
async def named_model(request: Request, model_id: str, owner: WithOwner, asked: _Asked, parts: WithParts) -> Response:
    """By the one that the path names."""
    return await _picture(request, parts, asked, owner, model_id)


async def _picture(request: Request, parts: Parts, asked: TextToImage, owner: Owner, model: str | None) -> Response:
    if model is not None and model not in parts.catalog.models:
        raise NotFound(f"There is no such model; there are {', '.join(parts.catalog.models)}.")
    with refused_as(_pointer):
        wanted = _job_request(request, asked, model)
        async with attended(parts, wanted, owner) as submitted:
            job = await end_of(request, parts, submitted, owner)
    [picture] = await contents(parts, job, owner)
    return Response(picture, 200, {"Cache-Control": "no-store"}, CONTENT_TYPES[wanted.output_format])


def _job_request(request: Request, asked: TextToImage, model: str | None) -> JobRequest:
    given = {name: value for name, value in (asked.parameters or {}).items() if value is not None}
    fields = {name: given[name] for name in sorted(_PARAMETERS & given.keys())}
    fields.setdefault("output_format", preferred_format(", ".join(request.headers.getlist("accept")), "png"))
    return JobRequest(prompt=asked.inputs, model=model, labels={"dialect": "huggingface"}, **fields)


def _pointer(native: str) -> str:
    return "/inputs" if native == "/prompt" else f"/parameters{native}"
