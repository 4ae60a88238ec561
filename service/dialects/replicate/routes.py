"""Replicate's paths under /v1: predictions, and the secret of their webhooks.

Errors are problem+json there as they are here. Knows paths and headers; what a prediction is, `prediction` says.
"""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel
from redis.exceptions import RedisError

from contract.errors import Refusal
from contract.model import Model
from service.access.owners import Owner
from service.dependencies import Parts, WithInForce, WithOwner, WithParts, WithStreamListener
from service.dialects.model_id import MODEL_ID
from service.dialects.refused_fields import refused_as
from service.dialects.replicate.prediction import Prediction
from service.dialects.replicate.prediction_request import PredictionRequest, find_model, job_request, their_pointer
from service.dialects.replicate.prediction_stream import PredictionStream
from service.dialects.replicate.shown import listed, shown
from service.errors import NotFound, ValidationFailed
from service.headers.preferences import preferred_wait
from service.jobs.completion import draw_seed
from service.jobs.job_queue import Filter
from service.routes.answers import answer
from service.routes.events import STREAM_HEADERS
from service.routes.paging import MAX_LIMIT, Cursor, decode_cursor, encode_cursor
from service.routes.router import api_router
from service.routes.submitted import submission_headers
from service.wire.json_body import json_body

_BARE_WAIT_SECONDS = 59
"""Of `Prefer: wait`: their client for Python then hangs up after 60.5 seconds."""
_CANCEL_SECONDS = 2.0
"""A running job is canceled at its next step, and their clients do not look again."""

router = api_router()


class Page(BaseModel):
    """Newest first. There is no way back: a page stays the same while predictions arrive."""

    previous: None = None
    next: str | None
    results: list[Prediction]


class Version(BaseModel):
    """Of a model, which has one here, named as the model."""

    id: str
    created_at: str = "1970-01-01T00:00:00Z"
    cog_version: str = "0.16.0"
    openapi_schema: dict[str, Any] = {}


class SigningSecret(BaseModel):
    """What deliveries are signed with."""

    key: str


_Asked = Annotated[PredictionRequest, Depends(json_body(PredictionRequest))]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", pattern="^[0-9]{0,15}(:[0-9]{1,2})?$")]


@router.post("/v1/predictions")
async def create_prediction(request: Request, owner: WithOwner, asked: _Asked, parts: WithParts) -> Response:
    """By the model that `version` names."""
    model_id = parts.catalog.default.id if asked.version is None else find_model(parts.catalog, asked.version)
    if model_id is None:
        raise ValidationFailed([Refusal("/version", f"must be one of {', '.join(parts.catalog.models)}")])
    return await _create(request, parts, asked, owner, parts.catalog.models[model_id])


@router.post("/v1/models/{namespace}/{name}/predictions")
async def create_model_prediction(
    request: Request, namespace: str, name: str, owner: WithOwner, asked: _Asked, parts: WithParts
) -> Response:
    """By the model that the path names."""
    return await _create(request, parts, asked, owner, _model(parts, namespace, name))


@router.get("/v1/models/{namespace}/{name}/versions/" + MODEL_ID)
async def get_version(namespace: str, name: str, model_id: str, owner: WithOwner, parts: WithParts) -> Response:  # noqa: ARG001
    """Asked for by clients that are given `owner/name:version`."""
    model = _model(parts, namespace, name)
    if model_id != model.id:
        raise NotFound(f"There is no such version; there is {model.id}.")
    return answer(Version(id=model.id))


@router.get("/v1/predictions")
async def list_predictions(request: Request, owner: WithOwner, parts: WithParts, cursor: Cursor = None) -> Response:
    """All of the owner's jobs, however they were asked for."""
    jobs, rest = await parts.queue.page(owner, MAX_LIMIT, decode_cursor(cursor), Filter())
    following = encode_cursor(rest)
    url = parts.absolute_url(request, f"/v1/predictions?cursor={following}") if following else None
    return answer(Page(next=url, results=[listed(request, parts, job) for job in jobs]))


@router.get("/v1/predictions/{job_id}")
async def get_prediction(request: Request, job_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """As it is now."""
    return answer(await shown(request, parts, await parts.queue.fetch(job_id, owner), owner))


@router.post("/v1/predictions/{job_id}/cancel")
async def cancel_prediction(request: Request, job_id: str, owner: WithOwner, parts: WithParts) -> Response:
    """The prediction once it is canceled; unchanged where it had ended."""
    job = await parts.queue.cancel(job_id, owner)
    if not job.status.ended:
        with suppress(RedisError):
            job = await parts.queue.wait(job_id, owner, _CANCEL_SECONDS)
    return answer(await shown(request, parts, job, owner))


@router.get("/v1/predictions/{job_id}/stream")
async def stream_prediction(
    request: Request,
    job_id: str,
    listener: WithStreamListener,
    parts: WithParts,
    in_force: WithInForce,
    last_event_id: LastEventId = None,
) -> Response:
    """`logs`, `output`, `error` and `done`."""
    owner = listener or await parts.queue.owner_of(job_id)
    number, colon, _ = (last_event_id or "").partition(":")
    after = max(0, int(number or 0) - bool(colon))  # the last of the events with one number has no colon
    history = await parts.queue.history(job_id, owner, after)
    if history.job.status.ended and after >= history.last:
        return Response(status_code=204)
    stream = PredictionStream(request, parts, owner, job_id, min(after, history.last))
    return EventSourceResponse(stream.run(False, in_force if listener else _always), headers=STREAM_HEADERS)


@router.get("/v1/webhooks/default/secret")
async def get_signing_secret(owner: WithOwner, parts: WithParts) -> Response:
    """The owner's: as `GET /webhooks/secret`."""
    return answer(SigningSecret(key=(await parts.webhook_secrets.current(owner)).secret))


def _model(parts: Parts, namespace: str, name: str) -> Model:
    model_id = find_model(parts.catalog, f"{namespace}/{name}")
    if model_id is None:
        raise NotFound(f"There is no such model; there are {', '.join(parts.catalog.models)}.")
    return parts.catalog.models[model_id]


async def _create(request: Request, parts: Parts, asked: PredictionRequest, owner: Owner, model: Model) -> Response:
    wanted = job_request(asked, model, parts.absolute_url(request, ""))
    with refused_as(their_pointer):
        completed = parts.completion.complete(wanted, draw_seed(wanted.num_images_per_prompt))
        submitted = await parts.submission.submit(wanted, completed, owner, None)
    job = submitted.what
    wait = preferred_wait(request, bare=_BARE_WAIT_SECONDS)
    if wait is not None:
        with suppress(RedisError):  # the job is in line all the same
            job = await parts.queue.wait(job.id, owner, wait)
    prediction = await shown(request, parts, job, owner)
    if not job.status.ended:  # their clients take any other for one that is over
        prediction = prediction.model_copy(update={"status": "starting"})
    return answer(prediction, 201, submission_headers(submitted) | {"Location": f"/v1/predictions/{job.id}"})


def _always() -> bool:
    return True
