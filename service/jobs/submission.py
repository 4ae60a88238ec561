"""Puts a job in line: within which bounds, and what each refusal of the script means to the client.

One round trip to Redis. Knows the bounds and scripts/submit.lua; knows nothing of HTTP headers.
"""

import json
import secrets
import time
from dataclasses import dataclass
from math import ceil
from typing import Any

import redis.asyncio

from contract import scripts
from contract.errors import Refusal
from contract.job import Job, Sign, job_from_record
from contract.parameters import GenerationParameters, JobRequest
from service.access.owners import Owner
from service.errors import (
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
from service.settings import ServiceSettings

_MAX_RETRY_AFTER_SECONDS = 600
_STORAGE_RETRY_AFTER_SECONDS = 10
"""Whether and when pictures will have gone, nobody knows."""


@dataclass(frozen=True)
class Submitted:
    """`replayed` where an earlier request with the same key had made the job."""

    job: Job
    replayed: bool
    allowance: Allowance | None


class Submission:
    """The way into the line."""

    def __init__(self, client: redis.asyncio.Redis, settings: ServiceSettings, room: StoreRoom, sign: Sign) -> None:
        self._settings = settings
        self._room = room
        self._sign = sign
        self._script = client.register_script(scripts.SUBMIT)

    async def submit(
        self, request: JobRequest, parameters: GenerationParameters, owner: Owner, idempotency_key: str | None
    ) -> Submitted:
        """The new job, in line, or the one that the key made before.

        Raises ValidationFailed, IdempotencyKeyReused, JobExpired, QueueFull, TooManyQueuedJobs, RateExceeded,
        StorageFull, and RedisError; the job is then in line or it is not, never half.
        """
        if request.embed_parameters is None:
            parameters = parameters.model_copy(update={"embed_parameters": self._settings.embed_parameters})
        self._check_bounds(request, parameters, owner)
        ask = self._ask(request, parameters, owner, idempotency_key)
        no_room = await self._room.refusal()
        if no_room:
            ask["no_room"] = no_room
        kind, *rest = await self._script(args=[json.dumps(ask)])
        if kind in ("accepted", "replayed"):
            job_id, record, *allowance = rest
            job = job_from_record(job_id, record, self._sign)
            return Submitted(job, kind == "replayed", _allowance(ask, allowance))
        raise _refusal(kind, ask, rest)

    def _check_bounds(self, request: JobRequest, parameters: GenerationParameters, owner: Owner) -> None:
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
        if refusals:
            raise ValidationFailed(refusals)

    def _ask(
        self, request: JobRequest, parameters: GenerationParameters, owner: Owner, idempotency_key: str | None
    ) -> dict[str, Any]:
        """What submit.lua takes; a bound that is not there is left out."""
        settings = self._settings
        bounds = {
            "owner_max_queued": _first_known(owner.max_queued_jobs, settings.owner_max_queued_jobs),
            "requests_per_minute": _first_known(owner.requests_per_minute, settings.owner_requests_per_minute),
        }
        ask = {
            "id": _new_job_id(),
            "owner": owner.name,
            "model": parameters.model,
            "parameters": parameters.model_dump_json(),
            "labels": json.dumps(request.labels),
            "cost": parameters.cost,
            "description": f"{parameters.model}: {parameters.prompt[:80]}",
            "timeout_seconds": settings.job_timeout_seconds,
            "deadline_seconds": request.deadline_seconds or settings.max_deadline_seconds,
            "retention_seconds": settings.retention_seconds,
            "max_queued": settings.max_queued_jobs,
            **{name: bound for name, bound in bounds.items() if bound is not None},
        }
        if idempotency_key is not None:
            ask |= {"idempotency_key": digest(idempotency_key), "fingerprint": fingerprint(request)}
        return ask


def _new_job_id() -> str:
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
        return JobExpired("The job that this Idempotency-Key made is no longer kept.")
    if kind == "storage_full":
        return StorageFull(ask["no_room"], _STORAGE_RETRY_AFTER_SECONDS)
    seconds, *allowance = told
    retry_after = max(1, min(ceil(float(seconds)), _MAX_RETRY_AFTER_SECONDS))
    if kind == "queue_full":
        return QueueFull(f"There are {ask['max_queued']} jobs in line, as many as there may be.", retry_after)
    if kind == "owner_queue_full":
        detail = f"You have {ask['owner_max_queued']} jobs in line, as many as you may."
        return TooManyQueuedJobs(detail, retry_after)
    detail = f"You may submit {ask['requests_per_minute']} jobs in a minute."
    return RateExceeded(detail, retry_after, rate_limit_headers(_allowance(ask, allowance)))
