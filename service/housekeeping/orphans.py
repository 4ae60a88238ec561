"""Images that no job will ever name: those of executions that died, and of jobs that are gone.

An image is wanted while its execution holds a lease, because the worker may be about to finish, and once its job names
it. It is listed first and asked for afterwards, the lease before the job; so whatever happens meanwhile, only an
orphan is taken:

- An image that is put after the listing is not in it.
- A worker puts its images, then finishes: finish.lua lets the lease go and names the images in one step. Whoever sees
  no lease sees the names afterwards. Asked the other way round, the job might not name the image yet, and the lease be
  gone by the next question.
- An execution without a lease never gets it back, and cannot finish without. Its image stays what it is: an orphan
  cannot become wanted between the answer and the removal, and no other execution writes under its key.
- A job that expires loses its images first, then its record: an image that is still listed is gone or named.
- A lease that has run out counts until it is reaped, so after an outage of Redis nothing is taken too early.

Every job has its record before it can have an image, so a store belongs to one Redis: both hold the same mark. With
another Redis, or one that has lost its data, every image would be an orphan: then nothing is removed.
Knows Redis and the image store; knows nothing of HTTP.
"""

import asyncio
import re
from pathlib import Path
from uuid import uuid4

import redis.asyncio
import structlog

from contract import keys
from contract.errors import StoreError
from contract.image_store import ImageStore
from contract.job import JOB_ID
from contract.leftovers import remove_leftovers

log = structlog.get_logger("darkroom.service")

_IMAGE = re.compile(rf"(?P<job>{JOB_ID})/((?P<execution>.*)-)?[^-]*")
"""`<job id>/<execution id>-<index>.<ext>`; whatever is not in the folder of a job is somebody else's."""
MARK = "redis"
"""The object of the store that holds the mark."""
_STAGED_SECONDS = 30
"""A put takes a moment; one that has not come so far after this long has no process any more."""


class Orphans:
    """Looks for them through the whole store, a chunk at a time."""

    def __init__(self, client: redis.asyncio.Redis, store: ImageStore, folder: Path) -> None:
        self._client = client
        self._store = store
        self._folder = folder

    async def remove(self) -> None:
        """One sweep. Raises RedisError and StoreError."""
        if not await self._is_ours():
            log.warning("store_of_another_redis", folder=str(self._folder))
            return
        removed = 0
        async for chunk in self._store.walk():
            removed += sum([await self._take(key) for key in await self._among(chunk)])
        removed += await asyncio.to_thread(remove_leftovers, self._folder, _STAGED_SECONDS)
        if removed:
            log.info("orphans_removed", images=removed)

    async def _take(self, key: str) -> bool:
        """Whether it could be: one picture that cannot be removed must not keep all others."""
        try:
            await self._store.remove([key])
        except StoreError as error:
            log.warning("orphan_not_removed", error=error)
            return False
        return True

    async def _is_ours(self) -> bool:
        """Whether the images are of this Redis's jobs; a store without a mark gets this Redis's."""
        await self._client.set(keys.STORE_MARK, uuid4().hex, nx=True)
        mark = str(await self._client.get(keys.STORE_MARK)).encode()
        found = await self._store.get(MARK)
        if found is None:
            await asyncio.to_thread(self._store.put, MARK, mark)
        return found in (None, mark)

    async def _among(self, chunk: list[str]) -> list[str]:
        images = [image for key in chunk if (image := _IMAGE.fullmatch(key))]
        async with self._client.pipeline(transaction=False) as transaction:
            for image in images:
                transaction.zscore(keys.LEASES, f"{image['job']}:{image['execution']}")
                transaction.hget(keys.JOB_PREFIX + image["job"], "images")
            answers = await transaction.execute()
        return [
            image[0]
            for image, lease, named in zip(images, answers[::2], answers[1::2], strict=True)
            if lease is None and f'"{image[0]}"' not in (named or "")
        ]
