"""Jobs as the routes see them: submit, fetch, wait, cancel. One round trip to Redis each.

Knows Redis and the scripts; knows nothing of HTTP.
"""

import asyncio
import logging
import re
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any
from uuid import uuid4

import redis.asyncio
from redis.exceptions import RedisError

from contract import keys, scripts
from contract.job import Job, StoredImage, job_from_record, stored_images
from contract.parameters import GenerationParameters

log = logging.getLogger("darkroom.service")

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_RECHECK_SECONDS = 5.0
"""A waiting client looks again this often, in case the event was lost with the connection that carried it."""


class JobQueue:
    """The line of jobs in Redis."""

    def __init__(self, client: redis.asyncio.Redis, job_timeout_seconds: int, retention_seconds: int) -> None:
        self._client = client
        self._job_timeout_seconds = job_timeout_seconds
        self._retention_seconds = retention_seconds
        self._submit = client.register_script(scripts.SUBMIT)
        self._fetch = client.register_script(scripts.FETCH)
        self._cancel = client.register_script(scripts.CANCEL)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._stopping = False

    async def submit(self, parameters: GenerationParameters) -> Job:
        """The new job, at the end of the line. Raises RedisError; the job is then in line or it is not, never half."""
        job_id = uuid4().hex
        description = f"{parameters.model}: {parameters.prompt[:80]}"
        record = await self._submit(
            args=[
                job_id,
                parameters.model_dump_json(),
                self._job_timeout_seconds,
                self._retention_seconds,
                description,
            ]
        )
        return job_from_record(job_id, record)

    async def fetch(self, job_id: str) -> Job | None:
        """The job as it is now, None where there is none."""
        return await self._job(self._fetch, job_id)

    async def cancel(self, job_id: str) -> Job | None:
        """The job, canceled if it was queued, about to be if it is running, unchanged if it had ended."""
        return await self._job(self._cancel, job_id)

    async def images(self, job_id: str) -> list[StoredImage]:
        """The job's pictures as the store knows them; none where there is no such job."""
        if not _JOB_ID.fullmatch(job_id):
            return []
        text = await self._client.hget(keys.JOB_PREFIX + job_id, "images")
        return stored_images.validate_json(text or "[]")

    async def wait(self, job_id: str, seconds: float) -> Job | None:
        """The job once it has ended, or as it is after that many seconds."""
        deadline = time.monotonic() + seconds
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            while True:
                event.clear()
                job = await self.fetch(job_id)
                left = deadline - time.monotonic()
                if job is None or job.status.ended or left <= 0 or self._stopping:
                    return job
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(left, _RECHECK_SECONDS))
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def stop_waiting(self) -> None:
        """From now on a wait ends at once, with the job as it is."""
        self._stopping = True
        for job_id in self._waiting:
            self._wake(job_id)

    async def listen(self) -> None:
        """Wakes those who wait for a job when it ends. Runs until it is canceled, across outages of Redis."""
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(keys.ENDED)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._wake(str(message["data"]))
            except RedisError as error:
                log.warning("the queue's events are interrupted: %s", error)
                await asyncio.sleep(0.5)

    def _wake(self, job_id: str) -> None:
        for event in self._waiting.get(job_id, ()):
            event.set()

    async def _job(self, script: Any, job_id: str) -> Job | None:
        if not _JOB_ID.fullmatch(job_id):
            return None
        record = await script(args=[job_id])
        return job_from_record(job_id, record) if record else None
