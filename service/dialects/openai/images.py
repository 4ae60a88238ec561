"""POST /v1/images/generations: pictures in the answer, or by URL, or as they come."""

import asyncio
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic_core import to_json

from contract.job import Job, JobStatus
from service.access.owners import Owner
from service.dependencies import Parts, WithOwner, WithParts
from service.dialects.attended import JobUnsuccessful, attended, contents, end_of
from service.dialects.openai.answers import linked_picture, picture, whole_answer
from service.dialects.openai.image_stream import image_stream
from service.dialects.openai.request import ImagesRequest, native_request
from service.routes.router import api_router
from service.wire.json_body import json_body

router = api_router()


@router.post("/v1/images/generations", response_class=Response)
async def create_images(
    request: Request,
    owner: WithOwner,
    asked: Annotated[ImagesRequest, Depends(json_body(ImagesRequest))],
    parts: WithParts,
) -> Response:
    """Answers when the job has ended, or streams until then. Never a 202: clients take any 2xx for the pictures."""
    native = native_request(asked, parts.catalog)
    if asked.stream:
        return await image_stream(parts, native, owner, asked.partial_images or 0)
    async with attended(parts, native, owner) as job:
        job = await end_of(request, parts, job, owner)
    by_url = asked.response_format == "url"
    body = _with_urls(request, parts, job) if by_url else await _with_files(parts, job, owner)
    return Response(body, media_type="application/json")


def _with_urls(request: Request, parts: Parts, job: Job) -> bytes:
    if job.status is not JobStatus.SUCCEEDED:
        raise JobUnsuccessful(job)
    data = [linked_picture(image, parts.absolute_url(request, image.signed_url)) for image in job.images]
    return to_json(whole_answer(job, data))


async def _with_files(parts: Parts, job: Job, owner: Owner) -> bytes:
    files = await contents(parts, job, owner)

    def encoded() -> bytes:
        data = [picture(image, file) for image, file in zip(job.images, files, strict=True)]
        return to_json(whole_answer(job, data))

    return await asyncio.to_thread(encoded)  # megabytes
