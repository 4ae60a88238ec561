"""Puts jobs in line: within which bounds, and what each refusal of the script means to the client.

One round trip to Redis. Knows the bounds and scripts/submit.lua; knows nothing of HTTP headers.
"""

import json
import secrets
import time
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, TypeVar

import redis.asyncio
import structlog
from pydantic import BaseModel
from pydantic_core import to_json

from contract import scripts
from contract.errors import Refusal
from contract.grid import GridRecord, GridShape, grid_from_record
from contract.job import Job, Sign, job_from_record
from contract.parameters import GenerationParameters, JobRequest
from contract.tracing import trace_context
from service.access.owners import Owner
from service.errors import (
    GridExpired,
    IdempotencyKeyReused,
    JobExpired,
    QueueFull,
    RateExceeded,
    ServiceError,
    StorageFull,
    TooManyQueuedJobs,
    ValidationFailed,
)
from service.headers.allowance import Allowance, rate_limit_headers
from service.headers.idempotency import digest, fingerprint
from service.housekeeping.store_room import StoreRoom
from service.jobs.completion import Completed
from service.policy.prompt_policy import PromptPolicy
from service.settings import ServiceSettings
from service.webhooks.receivers import ReceiverRefused, read_receiver

log = structlog.get_logger("darkroom.service")

_MAX_RETRY_AFTER_SECONDS = 600
_STORAGE_RETRY_AFTER_SECONDS = 10
"""Whether and when pictures will have gone, nobody knows."""


Made = TypeVar("Made")


@dataclass(frozen=True)
class Submitted(Generic[Made]):
    """`replayed` where an earlier request with the same key had made it."""

    what: Made
    replayed: bool
    allowance: Allowance | None


class Submission:
    """The way into the line."""

    def __init__(self, client: redis.asyncio.Redis, settings: ServiceSettings, room: StoreRoom, sign: Sign) -> None:
        """Raises SettingsError where the prompt policy cannot be used."""
        self._settings = settings
        self._room = room
        self._sign = sign
        self._allowed_receivers = settings.allowed_receivers
        self._policy = PromptPolicy(settings.prompt_policy) if settings.prompt_policy else None
        self._script = client.register_script(scripts.SUBMIT)

    async def submit(
        self, request: JobRequest, completed: Completed, owner: Owner, idempotency_key: str | None
    ) -> Submitted[Job]:
        """The new job, in line, or the one that the key made before.

        Raises ValidationFailed, PromptRefused, IdempotencyKeyReused, JobExpired, QueueFull, TooManyQueuedJobs,
        RateExceeded, StorageFull, and RedisError; the job is then in line or it is not, never half.
        """
        self.check_bounds(request, completed.parameters, owner)
        ask = self._ask(request, [completed], owner) | _key(request, idempotency_key)
        job_id, record, replayed, allowance = await self._run(ask)
        job = job_from_record(job_id, record, self._sign)
        log.info(
            "job_replayed" if replayed else "job_submitted",
            job_id=job.id,
            queue_position=job.queue_position,
            **_told(job.parameters, owner),
        )
        return Submitted(job, replayed, allowance)

    async def submit_grid(
        self,
        asked: BaseModel,
        shared: JobRequest,
        shape: GridShape,
        cells: list[Completed],
        owner: Owner,
        idempotency_key: str | None,
    ) -> Submitted[GridRecord]:
        """The new grid, all of its jobs in line, or the one that the key made before.

        `asked` is what the key stands for, `shared` what concerns the jobs and not their pictures. The cells have
        passed `check_bounds`. Raises as `submit` does, GridExpired in place of JobExpired.
        """
        self._check_number(len(cells), owner)
        ask = self._ask(shared, cells, owner) | _key(asked, idempotency_key)
        ask["grid"] = {"id": _new_id(), "shape": shape.model_dump_json()}
        grid_id, record, replayed, allowance = await self._run(ask)
        grid = grid_from_record(grid_id, record)
        log.info(
            "grid_replayed" if replayed else "grid_submitted", grid_id=grid.id, owner=owner.name, jobs=len(grid.cells)
        )
        if not replayed:
            for job, completed in zip(ask["jobs"], cells, strict=True):
                told = _told(completed.parameters, owner)
                log.info("job_submitted", job_id=job["id"], grid_id=grid.id, **told)
        return Submitted(grid, replayed, allowance)

    def check_bounds(self, request: JobRequest, parameters: GenerationParameters, owner: Owner) -> None:
        """What one job can be refused for by itself. Raises ValidationFailed and PromptRefused."""
        refusals = []
        most = self._settings.max_cost if owner.max_cost is None else owner.max_cost
        if parameters.cost > most:
            product = "width x height x num_inference_steps x num_images_per_prompt"
            refusals.append(
                Refusal("/num_images_per_prompt", f"{product} is {parameters.cost}, must be at most {most}")
            )
        longest = self._settings.max_deadline_seconds
        if request.deadline_seconds is not None and request.deadline_seconds > longest:
            refusals.append(Refusal("/deadline_seconds", f"must be at most {longest}"))
        if request.webhook is not None:
            try:
                read_receiver(request.webhook.url, self._allowed_receivers)
            except ReceiverRefused as reason:
                refusals.append(Refusal("/webhook/url", str(reason)))
        if refusals:
            raise ValidationFailed(refusals)
        if self._policy is not None:
            self._policy.check(parameters.prompt, weighs=parameters.prompt_weighting)

    def _check_number(self, cells: int, owner: Owner) -> None:
        """More jobs than there may ever be at once are not worth another try."""
        most = min(self._settings.max_queued_jobs, *self._owner_bounds(owner).values())
        if cells > most:
            detail = f"make {cells} cells, must be at most {most}, as many jobs as you may submit at once"
            raise ValidationFailed([Refusal("/x/values", detail)])

    async def _run(self, ask: dict[str, Any]) -> tuple[str, Any, bool, Allowance | None]:
        """Id and record of what was made, whether it was made before, and what may still be submitted."""
        no_room = await self._room.refusal()
        if no_room:
            ask["no_room"] = no_room
        kind, *rest = await self._script(args=[to_json(ask)])
        if kind not in ("accepted", "replayed"):
            log.debug("job_refused", owner=ask["owner"], reason=kind)
            raise _refusal(kind, ask, rest)
        made_id, record, *allowance = rest
        return made_id, record, kind == "replayed", _allowance(ask, allowance)

    def _owner_bounds(self, owner: Owner) -> dict[str, int]:
        """A bound that is not there is left out."""
        bounds = {
            "owner_max_queued": _first_known(owner.max_queued_jobs, self._settings.owner_max_queued_jobs),
            "requests_per_minute": _first_known(owner.requests_per_minute, self._settings.owner_requests_per_minute),
        }
        return {name: bound for name, bound in bounds.items() if bound is not None}

    def _ask(self, request: JobRequest, cells: list[Completed], owner: Owner) -> dict[str, Any]:
        """What submit.lua takes; what is not in `jobs` is the same for all of them."""
        settings = self._settings
        return {
            "jobs": [_job(completed, request.exclusive) for completed in cells],
            "owner": owner.name,
            "exclusive": request.exclusive,
            "labels": json.dumps(request.labels),
            "timeout_seconds": settings.job_timeout_seconds,
            "deadline_seconds": request.deadline_seconds or settings.max_deadline_seconds,
            "retention_seconds": settings.retention_seconds,
            "max_queued": settings.max_queued_jobs,
            **trace_context(),
            **self._owner_bounds(owner),
            **self._webhook(request),
        }

    def _webhook(self, request: JobRequest) -> dict[str, str]:
        if request.webhook is None:
            return {}
        host = read_receiver(request.webhook.url, self._allowed_receivers).host
        return {"webhook": request.webhook.model_dump_json(), "webhook_host": host}


def _job(completed: Completed, exclusive: bool) -> dict[str, Any]:
    parameters, style = completed.parameters, completed.style
    return {
        "id": _new_id(),
        "style": style.model_dump_json() if style else "",
        "model": parameters.model,
        "parameters": parameters.model_dump_json(),
        "batch_key": "" if exclusive else completed.batch_key,
        "image_count": parameters.num_images_per_prompt,
        "cost": parameters.cost,
        "description": f"{parameters.model}: {parameters.prompt[:80]}",
    }


def _key(asked: BaseModel, idempotency_key: str | None) -> dict[str, str]:
    if idempotency_key is None:
        return {}
    return {"idempotency_key": digest(idempotency_key), "fingerprint": fingerprint(asked)}


def _told(parameters: GenerationParameters, owner: Owner) -> dict[str, Any]:
    """What the log says of a job that is put in line."""
    return {
        "owner": owner.name,
        "model": parameters.model,
        "images": parameters.num_images_per_prompt,
        "cost": parameters.cost,
    }


def _new_id() -> str:
    """32 hexadecimal digits: milliseconds, so that jobs whose turn comes at the same time take it in the order in which
    they came, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _first_known(*bounds: int | None) -> int | None:
    return next((bound for bound in bounds if bound is not None), None)


def _allowance(ask: dict[str, Any], told: list[Any]) -> Allowance | None:
    if len(told) != 2:
        return None
    left, whole_in = told
    return Allowance(ask["requests_per_minute"], int(left), ceil(float(whole_in)))


def _refusal(kind: str, ask: dict[str, Any], told: list[Any]) -> ServiceError:
    if kind == "other_request":
        return IdempotencyKeyReused("The Idempotency-Key was used for another request.")
    if kind == "gone":
        if "grid" in ask:
            return GridExpired("The grid that this Idempotency-Key made is no longer kept.")
        return JobExpired("The job that this Idempotency-Key made is no longer kept.")
    if kind == "storage_full":
        return StorageFull(ask["no_room"], _STORAGE_RETRY_AFTER_SECONDS)
    seconds, *allowance = told
    retry_after = max(1, min(ceil(float(seconds)), _MAX_RETRY_AFTER_SECONDS))
    more = f"; these are {len(ask['jobs'])} more" if "grid" in ask else ""
    if kind == "queue_full":
        return QueueFull(f"There may be at most {ask['max_queued']} jobs in line{more}.", retry_after)
    if kind == "owner_queue_full":
        detail = f"You may have at most {ask['owner_max_queued']} jobs in line{more}."
        return TooManyQueuedJobs(detail, retry_after)
    detail = f"You may submit {ask['requests_per_minute']} jobs in a minute."
    return RateExceeded(detail, retry_after, rate_limit_headers(_allowance(ask, allowance)))
