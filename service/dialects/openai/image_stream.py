"""Pictures as Server-Sent Events: previews while they are drawn, then each of them, or why there is none.

Knows jobs, their events and previews; knows nothing of what a client's fields are called.
"""

import asyncio
import base64
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from PIL import Image
from redis.exceptions import RedisError

from contract.errors import StoreError
from contract.image_file import encode_pixels
from contract.job import GeneratedImage, Job
from contract.parameters import JobRequest, OutputFormat
from contract.provenance import Provenance
from service.access.owners import Owner
from service.dependencies import Parts
from service.dialects.attended import attended, contents
from service.dialects.openai.answers import completed, partial_image
from service.dialects.openai.errors import error_object
from service.errors import QueueUnavailable, ServiceError, StoreUnavailable
from service.jobs.job_events import RECHECK_SECONDS
from service.routes.events import STREAM_HEADERS

_NO_PROVENANCE = Provenance(system=None, parameters=None)
"""Previews say nothing of themselves, here as in the native events."""


async def image_stream(parts: Parts, asked: JobRequest, owner: Owner, partial_images: int) -> EventSourceResponse:
    """The answer that begins once the job is in line, with at most so many previews.

    Raises what `attended` raises; whatever goes wrong later is told in the stream.
    """
    events = _events(parts, asked, owner, partial_images)
    first = await anext(events)
    return EventSourceResponse(_with_errors(first, events), headers=STREAM_HEADERS)


async def _with_errors(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async with aclosing(rest):
        try:
            async for event in rest:
                yield event
        except ServiceError as error:
            yield _error(error)
        except RedisError:
            yield _error(QueueUnavailable("The queue does not answer."))
        except StoreError:
            yield _error(StoreUnavailable("The image store does not answer."))


async def _events(parts: Parts, asked: JobRequest, owner: Owner, partial_images: int) -> AsyncGenerator[bytes]:
    partials = _Partials(partial_images)
    async with attended(parts, asked, owner) as job:
        yield KEEPALIVE_COMMENT
        with parts.events.listen(job.id, previews=partial_images > 0, ends_only=True) as feed:
            while True:
                if feed.take() or feed.behind:  # else there are previews, and nothing else
                    feed.behind = False
                    try:
                        job = await parts.queue.fetch(job.id, owner)
                    except RedisError:  # the job goes on without it
                        feed.behind = True
                for jpeg in filter(None, map(partials.next, feed.take_previews())):
                    yield await asyncio.to_thread(_preview_event, job, partials.sent - 1, jpeg)
                if job.status.ended:
                    break
                if feed.closed:
                    raise QueueUnavailable("The service is about to stop.")
                if not await feed.wait(RECHECK_SECONDS):
                    feed.behind = True
                    yield KEEPALIVE_COMMENT
    for image, file in zip(job.images, await contents(parts, job, owner), strict=True):
        yield await asyncio.to_thread(_picture_event, job, image, file)


class _Partials:
    """Chooses previews so that they are spread evenly over the steps of a job; `sent` are those chosen so far."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._reached = 0
        self.sent = 0

    def next(self, preview: str) -> bytes | None:
        """The JPEG of that preview, where another one is due."""
        shown = json.loads(preview)
        reached = min(shown["step"] * (self._most + 1) // shown["total"], self._most)
        if reached <= self._reached:
            return None
        self._reached = reached
        self.sent += 1
        return base64.b64decode(shown["image"].partition(",")[2])


def _preview_event(job: Job, index: int, jpeg: bytes) -> bytes:
    return _event(partial_image(job, index, _encoded(jpeg, job.parameters.output_format)))


def _picture_event(job: Job, image: GeneratedImage, file: bytes) -> bytes:
    return _event(completed(job, image, file))


def _encoded(jpeg: bytes, output_format: OutputFormat) -> bytes:
    if output_format == "jpeg":
        return jpeg
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        return encode_pixels(picture.convert("RGB"), output_format, _NO_PROVENANCE)


def _event(document: dict[str, Any]) -> bytes:
    return format_sse_event(event=document["type"], data_str=json.dumps(document))


def _error(error: ServiceError) -> bytes:
    return _event({"type": "error", "error": error_object(error)})
