"""GET /livez: the process answers. GET /readyz: what it needs answers too."""

from typing import Literal

from fastapi import Response
from pydantic import BaseModel
from redis.exceptions import RedisError

from contract.errors import StoreError, StoreFull
from service.dependencies import Parts, WithOwnerIfKnown, WithParts
from service.routes.router import api_router
from service.workers import WorkerReport, read_workers

router = api_router("health")

_FULL = "full, no new jobs"


class Liveness(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """`unavailable` only for Redis or the store: without a worker jobs are taken and wait.

    A full store is ready: what is in it can be fetched, and the jobs in line run for as long as their pictures fit.
    """

    status: Literal["ready", "unavailable"]
    redis: str
    store: str
    workers: list[WorkerReport]


@router.get("/livez", operation_id="livez", summary="Is the process alive")
async def livez() -> Liveness:
    return Liveness()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can jobs be taken, and who runs them",
    responses={503: {"model": Readiness, "description": "Redis or the store does not answer."}},
    openapi_extra={"security": [{}]},  # a key is good for more, and not needed
)
async def readyz(owner: WithOwnerIfKnown, parts: WithParts, response: Response) -> Readiness:
    """Where the service has keys, a worker's `reason` is told to those who show one."""
    workers: list[WorkerReport] = []
    redis = "ok"
    try:
        workers = await read_workers(parts.client)
        no_room = await parts.room.refusal()
    except RedisError as error:
        redis, no_room = f"does not answer ({type(error).__name__})", None
    store = _FULL if no_room else await _store(parts)
    if owner is None:  # a reason may hold paths and names of this machine
        workers = [worker.model_copy(update={"reason": None}) for worker in workers]
    ready = redis == "ok" and store in ("ok", _FULL)
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "unavailable", redis=redis, store=store, workers=workers)


async def _store(parts: Parts) -> str:
    try:
        await parts.store.check()
    except StoreFull:
        return _FULL
    except StoreError:
        return "does not take an image"
    return "ok"
