"""Jobs as the routes see them: fetch, wait, cancel, list, delete. One round trip to Redis each.

Another owner's job is one that never was. Knows Redis and the scripts; knows nothing of HTTP.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import redis.asyncio
import structlog

from contract import keys, scripts
from contract.errors import StoreError
from contract.image_store import ImageStore
from contract.job import TO_RQ, Job, JobStatus, Sign, StoredImage, is_id, job_from_record, job_labels, stored_images
from contract.parameters import Labels
from service.access.owners import Owner
from service.errors import JobExpired, JobNotEnded, JobNotFound, NothingToRedeliver
from service.jobs.job_events import RECHECK_SECONDS, Event, JobEvents

log = structlog.get_logger("darkroom.service")

_MOST_SCANS = 20
"""Of one list: steps of keys.SCAN_JOBS, before it is answered with what was found."""


@dataclass(frozen=True)
class History:
    """What happened to a job after some event; `last` is the number of the last event that there was."""

    job: Job
    last: int
    events: list[Event]


@dataclass(frozen=True)
class Filter:
    """Which jobs a list shows; nothing set shows all."""

    statuses: tuple[JobStatus, ...] = ()
    model: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> str:
        """As scripts/list.lua takes it."""
        parts = {
            "statuses": [TO_RQ[status] for status in self.statuses],
            "model": self.model,
            "labels": self.labels,
        }
        return json.dumps({name: part for name, part in parts.items() if part})


class JobQueue:
    """The jobs in Redis. Every method raises RedisError; where it is given a job's id, JobNotFound and JobExpired."""

    def __init__(self, client: redis.asyncio.Redis, events: JobEvents, store: ImageStore, sign: Sign) -> None:
        self._client = client
        self._events = events
        self._store = store
        self._sign = sign
        self._fetch = client.register_script(scripts.FETCH)
        self._cancel = client.register_script(scripts.CANCEL)
        self._history = client.register_script(scripts.HISTORY)
        self._list = client.register_script(scripts.LIST)
        self._remove = client.register_script(scripts.REMOVE)
        self._redeliver = client.register_script(scripts.REDELIVER)

    async def fetch(self, job_id: str, owner: Owner) -> Job:
        """The job as it is now."""
        return self._job(job_id, await self._run(self._fetch, job_id, owner))

    async def cancel(self, job_id: str, owner: Owner) -> Job:
        """The job, canceled if it was queued, about to be if it is running, unchanged if it had ended."""
        job = self._job(job_id, await self._run(self._cancel, job_id, owner))
        log.info("cancel_asked", job_id=job_id, owner=owner.name, status=job.status.value)
        return job

    async def wait(self, job_id: str, owner: Owner, seconds: float) -> Job:
        """The job once it has ended, or as it is after that many seconds."""
        deadline = time.monotonic() + seconds
        with self._events.listen(job_id, ends_only=True) as feed:
            while True:
                job = await self.fetch(job_id, owner)
                left = deadline - time.monotonic()
                if job.status.ended or left <= 0 or feed.closed:
                    return job
                await feed.wait(min(left, RECHECK_SECONDS))

    async def history(self, job_id: str, owner: Owner, after: int) -> History:
        """What happened after the event of that number; an ended job's end is always told, for one that ended long ago
        nothing else."""
        record, *told = await self._run(self._history, job_id, owner, after) or [None]
        job = self._job(job_id, record)
        last, entries = told
        events = [Event(int(entry_id.partition("-")[0]), fields[1], fields[3]) for entry_id, fields in entries]
        if job.status.ended and not (events and events[-1].is_end):
            events.append(Event(last, job.status.value, ""))
        return History(job, last, events)

    async def page(self, owner: Owner, limit: int, before: int | None, wanted: Filter) -> tuple[list[Job], int | None]:
        """The owner's jobs, newest first, from the one before that number on; and where to go on, None at the end."""
        jobs: list[Job] = []
        position = "+inf" if before is None else f"({before}"
        filter_json = wanted.as_json()
        for _ in range(_MOST_SCANS):
            rest, found = await self._list(args=[owner.name, position, limit - len(jobs), filter_json])
            jobs += [job_from_record(job_id, record, self._sign) for job_id, record in found]
            if rest is None:
                return jobs, None
            before, position = int(rest), f"({rest}"
            if len(jobs) == limit:
                break
        return jobs, before

    async def unended(self, owner: Owner) -> dict[str, Labels]:
        """The labels of the owner's jobs that have not ended, by id: those that run, then those in line by their turn.

        Not by `page`, which looks at all that are kept: this is asked for again and again.
        """
        leases, line = await asyncio.gather(
            self._client.zrange(keys.LEASES, 0, -1), self._client.zrange(keys.LINE_PREFIX + owner.name, 0, -1)
        )
        ids = [*sorted(str(lease).partition(":")[0] for lease in leases), *map(str, line)]
        records = self._client.pipeline(transaction=False)
        for job_id in ids:
            records.hmget(keys.JOB_PREFIX + job_id, "owner", "labels")
        told = zip(ids, await records.execute(), strict=True)
        return {job_id: job_labels.validate_json(text or "{}") for job_id, (name, text) in told if name == owner.name}

    async def delete(self, job_id: str, owner: Owner) -> None:
        """Purges the record and the images. Raises JobNotEnded and StoreError; the job is then still there."""
        job = await self.fetch(job_id, owner)
        if not job.status.ended:
            raise JobNotEnded("Only a job that has ended can be deleted: cancel it first.")
        # Whatever ends this between the images and the record, retention then does the rest.
        await self._client.zadd(keys.EXPIRING, {job_id: 0}, xx=True)
        try:
            await self._store.remove_all(job_id)
        except StoreError:
            if job.expires_at is not None:
                await self._client.zadd(keys.EXPIRING, {job_id: job.expires_at.timestamp()}, xx=True)
            raise
        await self._remove(args=[job_id, 0])
        log.info("job_deleted", job_id=job_id, owner=owner.name)

    async def redeliver(self, job_id: str, owner: Owner) -> Job:
        """The job, whose webhook is about to be told everything again. Raises NothingToRedeliver."""
        count, record = await self._run(self._redeliver, job_id, owner) or [0, None]
        job = self._job(job_id, record)
        if not count:
            reason = "has no webhook" if job.webhook is None else "has had nothing to tell its webhook yet"
            raise NothingToRedeliver(f"The job {reason}.")
        log.info("redelivery_asked", job_id=job_id, owner=owner.name)
        return job

    async def images(self, job_id: str, owner: Owner | None) -> list[StoredImage]:
        """The job's pictures as the store knows them; the owner is None where the address itself was the permission."""
        _, text = await self._seen(job_id, owner)
        return stored_images.validate_json(text)

    async def owner_of(self, job_id: str) -> Owner:
        """Whose the job is, where the address itself was the permission."""
        name, _ = await self._seen(job_id, None)
        return Owner(name)

    async def _seen(self, job_id: str, owner: Owner | None) -> tuple[str, str]:
        """The name of the job's owner, and its pictures as JSON."""
        if not is_id(job_id):
            raise _not_found()
        name, text = await self._client.hmget(keys.JOB_PREFIX + job_id, "owner", "images")
        if name is None:
            name = await self._client.get(keys.TOMBSTONE_PREFIX + job_id)
            if name is not None and (owner is None or name == owner.name):
                raise _expired()
        if name is None or (owner is not None and name != owner.name):
            raise _not_found()
        return str(name), str(text or "[]")

    async def _run(self, script: Any, job_id: str, owner: Owner, *arguments: Any) -> Any:
        if not is_id(job_id):
            return None
        return await script(args=[job_id, owner.name, *arguments])

    def _job(self, job_id: str, record: Any) -> Job:
        if record is None:
            raise _not_found()
        if record == "gone":
            raise _expired()
        return job_from_record(job_id, record, self._sign)


def _not_found() -> JobNotFound:
    # The same for whatever was asked: nobody learns whether another owner has such a job.
    return JobNotFound("There is no such job.")


def _expired() -> JobExpired:
    return JobExpired("The job is no longer kept.")
