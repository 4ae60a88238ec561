"""A job of which a client waits for the end on one connection, as other people's APIs have it.

Knows jobs and connections; knows nothing of what a dialect asks or answers. The client knows no id: whoever hangs up
will never ask for the pictures, so the job is canceled.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from http import HTTPStatus

from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request

from contract.job import Job, JobError, JobStatus
from contract.parameters import JobRequest
from service.access.owners import Owner
from service.dependencies import Parts
from service.errors import ImageNotFound, QueueUnavailable, ServiceError
from service.jobs.completion import draw_seed

_WAIT_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 1.0
"""After Redis did not answer."""
_CANCELED = JobError(code="job_canceled", detail="The job was canceled.")
_STATUSES = {
    "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
    "image_filtered": HTTPStatus.UNPROCESSABLE_ENTITY,
    _CANCELED.code: HTTPStatus.CONFLICT,
}
"""Of a job's end; 500 for all others."""

_abandoned: set[asyncio.Task[None]] = set()
"""The loop itself holds its tasks weakly."""


class JobUnsuccessful(ServiceError):
    """The job has ended without a picture. Another try is another job, and would end as this one."""

    def __init__(self, job: Job) -> None:
        self.error = job.error or _CANCELED
        super().__init__(self.error.detail)
        self.code = self.error.code
        self.status = _STATUSES.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


@asynccontextmanager
async def attended(parts: Parts, asked: JobRequest, owner: Owner) -> AsyncIterator[Job]:
    """The new job, in line; canceled where the block is left by an error, or because its client hung up.

    Raises ParametersRefused, and what Submission.submit raises.
    """
    completed = parts.completion.complete(asked, draw_seed(asked.num_images_per_prompt))
    job = (await parts.submission.submit(asked, completed, owner, None)).what
    with ExitStack() as otherwise:
        otherwise.callback(_abandon, parts, job.id, owner)
        yield job
        otherwise.pop_all()


async def end_of(request: Request, parts: Parts, job: Job, owner: Owner) -> Job:
    """The job once it has ended, well or not.

    Raises ClientDisconnect where the client hung up before, QueueUnavailable where the service is about to stop.
    """
    ended = asyncio.create_task(_wait(parts, job.id, owner))
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            raise ClientDisconnect
        return ended.result()
    finally:
        ended.cancel()
        gone.cancel()


async def contents(parts: Parts, job: Job, owner: Owner) -> list[bytes]:
    """The files of all pictures of a job that has ended, as they are stored. Raises JobUnsuccessful, ImageNotFound."""
    if job.status is not JobStatus.SUCCEEDED:
        raise JobUnsuccessful(job)
    files = [await parts.store.get(image.key) for image in await parts.queue.images(job.id, owner)]
    if None in files:
        raise ImageNotFound("The picture is no longer in the store.")
    return [file for file in files if file is not None]


async def _wait(parts: Parts, job_id: str, owner: Owner) -> Job:
    while True:
        try:
            job = await parts.queue.wait(job_id, owner, _WAIT_SECONDS)
        except RedisError:  # the job goes on without it
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            continue
        if job.status.ended:
            return job
        if parts.events.stopping:
            raise QueueUnavailable("The service is about to stop.")


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _abandon(parts: Parts, job_id: str, owner: Owner) -> None:
    # Beside whatever ends: in a stream whose client has gone nothing can be awaited.
    task = asyncio.create_task(_cancel(parts, job_id, owner))
    _abandoned.add(task)
    task.add_done_callback(_abandoned.discard)


async def _cancel(parts: Parts, job_id: str, owner: Owner) -> None:
    with suppress(RedisError):
        await parts.queue.cancel(job_id, owner)
