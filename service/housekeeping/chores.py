"""What must happen now and then whatever the clients do: leases, deadlines, retention, orphans.

Each chore has a loop in every service process and a lock in Redis that lets one of them do it at a time; a long one
holds up no other. Every chore is safe to run twice. Knows when; knows nothing of how.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from contract import keys, scripts
from contract.errors import DeadlineExceeded, StoreError
from contract.image_store import ImageStore
from service.housekeeping.orphans import Orphans
from service.housekeeping.owner_of import owner_of
from service.housekeeping.retention import Retention
from service.settings import ServiceSettings

log = structlog.get_logger("darkroom.service")


@dataclass(frozen=True)
class Chore:
    """One thing that is done again and again; `name` is that of its lock."""

    name: str
    interval_seconds: float
    do: Callable[[], Awaitable[None]]


class Housekeeping:
    """The loops of the chores."""

    def __init__(self, client: redis.asyncio.Redis, store: ImageStore, settings: ServiceSettings) -> None:
        self._client = client
        self._reap = client.register_script(scripts.REAP)
        self._overdue = client.register_script(scripts.OVERDUE)
        retention = Retention(client, store, settings)
        orphans = Orphans(client, store, settings.image_store)
        self._chores = (
            Chore("leases", 1, self.reap_expired_leases),
            Chore("deadlines", 1, self.fail_overdue_jobs),
            Chore("retention", 1, retention.keep),
            Chore("orphans", 20, orphans.remove),
        )

    async def run(self) -> None:
        """Runs until it is canceled, across outages of Redis and of the store."""
        await asyncio.gather(*map(self._repeat, self._chores))

    async def reap_expired_leases(self) -> None:
        """Jobs whose worker has not renewed its lease go back to their place in line, or end."""
        for outcome in await self._reap(args=["expired"]):
            job_id, _, fate = outcome.partition(" ")
            log.warning("lease_lost", job_id=job_id, owner=await owner_of(self._client, job_id), outcome=fate)

    async def fail_overdue_jobs(self) -> None:
        """Queued jobs whose deadline is over end."""
        for job_id in await self._overdue():
            owner = await owner_of(self._client, job_id)
            log.warning("job_failed", job_id=job_id, owner=owner, code=DeadlineExceeded.code, reason="in line")

    async def _repeat(self, chore: Chore) -> None:
        lock, lock_milliseconds = f"{keys.HOUSEKEEPING}:{chore.name}", int(chore.interval_seconds * 900)
        while True:
            try:
                if await self._client.set(lock, "1", nx=True, px=lock_milliseconds):
                    await chore.do()
            except (RedisError, StoreError) as error:
                log.warning("housekeeping_interrupted", chore=chore.name, error=error)
            await asyncio.sleep(chore.interval_seconds)
