"""What must happen now and then whatever the clients do: leases that ran out, deadlines, jobs past their retention.

One loop in every service process; a lock in Redis lets one pass of one of them through each second.
Knows Redis and the image store; knows nothing of HTTP.
"""

import asyncio
import logging
from typing import cast

import redis.asyncio
from redis.exceptions import RedisError

from contract import keys, scripts
from contract.errors import StoreError
from contract.image_store import ImageStore

log = logging.getLogger("darkroom.service")

INTERVAL_SECONDS = 1.0


class Housekeeping:
    """The loop and its chores."""

    def __init__(self, client: redis.asyncio.Redis, store: ImageStore, tombstone_seconds: int) -> None:
        self._client = client
        self._store = store
        self._tombstone_seconds = tombstone_seconds
        self._reap = client.register_script(scripts.REAP)
        self._remove = client.register_script(scripts.REMOVE)
        self._overdue = client.register_script(scripts.OVERDUE)

    async def run(self) -> None:
        """Runs until it is canceled, across outages of Redis and of the store."""
        while True:
            try:
                if await self._client.set(keys.HOUSEKEEPING, "1", nx=True, px=int(INTERVAL_SECONDS * 900)):
                    await self.reap_expired_leases()
                    await self.fail_overdue_jobs()
                    await self.remove_expired_jobs()
            except (RedisError, StoreError) as error:
                log.warning("housekeeping is interrupted: %s", error)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def reap_expired_leases(self) -> None:
        """Jobs whose worker has not renewed its lease go back to their place in line, or end."""
        for outcome in await self._reap(args=["expired"]):
            log.warning("lease ran out: job %s", outcome)

    async def fail_overdue_jobs(self) -> None:
        """Queued jobs whose deadline is over end."""
        for job_id in await self._overdue():
            log.info("deadline exceeded in line: job %s", job_id)

    async def remove_expired_jobs(self) -> None:
        """Images first, then the record, so that no image is ever left without one."""
        expired = await self._client.zrangebyscore(keys.EXPIRING, "-inf", await self._now(), start=0, num=100)
        for job_id in cast(list[str], expired):
            await self._store.remove_all(job_id)
            await self._remove(args=[job_id, self._tombstone_seconds])

    async def _now(self) -> float:
        seconds, microseconds = await self._client.time()
        return float(seconds) + float(microseconds) / 1e6
