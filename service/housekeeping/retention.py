"""How long an ended job is kept: until its time is over, or until the store needs its room.

Knows Redis and the image store; knows nothing of HTTP.
"""

from datetime import datetime
from typing import NamedTuple, cast

import redis.asyncio
import structlog

from contract import keys, scripts
from contract.errors import StoreError
from contract.image_store import ImageStore
from service.housekeeping.owner_of import owner_of
from service.settings import ServiceSettings

log = structlog.get_logger("darkroom.service")

_HEADROOM = 0.1
"""Of the limit, this much is kept free: what is being drawn needs room before the next pass."""
_EVICTED_AT_ONCE = 300


class _Ended(NamedTuple):
    job_id: str
    at: float
    stored_bytes: int


class Retention:
    """Removes jobs: images first, then the record, so that no image is ever left without one."""

    def __init__(self, client: redis.asyncio.Redis, store: ImageStore, settings: ServiceSettings) -> None:
        self._client = client
        self._store = store
        self._limit_bytes = settings.store_limit_bytes
        self._minimum_seconds = settings.minimum_retention_seconds
        self._tombstone_seconds = settings.tombstone_seconds
        self._remove = client.register_script(scripts.REMOVE)

    async def keep(self) -> None:
        """One pass over the jobs that have ended. Raises RedisError."""
        await self.remove_expired_jobs()
        if self._limit_bytes is not None:
            await self.make_room(self._limit_bytes)

    async def remove_expired_jobs(self) -> None:
        """Those whose retention is over."""
        expired = await self._client.zrangebyscore(keys.EXPIRING, "-inf", await self._now(), start=0, num=100)
        removed = sum([await self._remove_job(job_id) for job_id in cast(list[str], expired)])
        if removed:
            log.info("jobs_expired", jobs=removed)

    async def make_room(self, limit_bytes: int) -> None:
        """Where the store is too full, removes the jobs that ended longest ago, each of at least the minimal age."""
        told = await self._client.mget(keys.STORED_BYTES, keys.ROOM_WANTED)
        stored, wanted = (int(value or 0) for value in told)
        # Wanted more than all: the limit was lowered since.
        headroom = max(wanted if wanted <= limit_bytes else 0, int(limit_bytes * _HEADROOM))
        excess = stored + headroom - limit_bytes
        if excess > 0:
            excess -= await self._evict(excess)
        if wanted and excess <= 0:
            await self._client.delete(keys.ROOM_WANTED)

    async def _evict(self, excess: int) -> int:
        """Removes jobs until that many bytes are free or none is left that may go; the bytes that are."""
        freed = evicted = 0
        going = True
        while going and freed < excess:
            going = False
            for job in await self._evictable():
                if freed >= excess:
                    break
                if await self._evict_job(job.job_id):
                    freed += job.stored_bytes
                    evicted += 1
                    going = True
        if evicted:
            log.info("jobs_evicted", jobs=evicted, freed_bytes=freed)
        return freed

    async def _evict_job(self, job_id: str) -> bool:
        """Whether it could be."""
        # Once begun it is finished, though Redis goes away and the next pass needs less room.
        await self._client.zadd(keys.EXPIRING, {job_id: 0}, xx=True)
        return await self._remove_job(job_id)

    async def _evictable(self) -> list[_Ended]:
        """Some of the jobs that ended longest ago. All have the same retention: the first to expire ended first."""
        job_ids = cast(list[str], await self._client.zrange(keys.EXPIRING, 0, _EVICTED_AT_ONCE - 1))
        async with self._client.pipeline(transaction=False) as transaction:
            for job_id in job_ids:
                transaction.hmget(keys.JOB_PREFIX + job_id, "ended_at", "stored_bytes")
            records = await transaction.execute()
        ended = [_ended(job_id, *record) for job_id, record in zip(job_ids, records, strict=True)]
        ended_before = await self._now() - self._minimum_seconds
        return [job for job in ended if job.at <= ended_before]

    async def _remove_job(self, job_id: str) -> bool:
        """Whether it could be: one folder that cannot be emptied must not keep all others full."""
        try:
            await self._store.remove_all(job_id)
        except StoreError as error:
            log.warning("job_not_removed", job_id=job_id, owner=await owner_of(self._client, job_id), error=error)
            return False
        await self._remove(args=[job_id, self._tombstone_seconds])
        return True

    async def _now(self) -> float:
        seconds, microseconds = await self._client.time()
        return float(seconds) + float(microseconds) / 1e6


def _ended(job_id: str, ended_at: str | None, stored_bytes: str | None) -> _Ended:
    return _Ended(job_id, datetime.fromisoformat(ended_at).timestamp() if ended_at else 0.0, int(stored_bytes or 0))
