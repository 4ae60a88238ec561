"""A prediction as it is answered to a request. Knows what the client called the service, and the store."""

from base64 import b64encode

import structlog
from fastapi import Request
from redis.exceptions import RedisError

from contract.errors import StoreError
from contract.job import Job
from service.access.owners import Owner
from service.dependencies import Parts
from service.dialects.attended import contents
from service.dialects.replicate.prediction import Prediction, prediction_of
from service.errors import ImageNotFound

log = structlog.get_logger("darkroom.service")

_MOST_INLINE_BYTES = 16 * 1024 * 1024


def listed(request: Request, parts: Parts, job: Job) -> Prediction:
    """With the addresses of the pictures, which need no key for a while."""
    return prediction_of(job, parts.absolute_url(request, ""), parts.signed_urls.sign)


async def shown(request: Request, parts: Parts, job: Job, owner: Owner) -> Prediction:
    """Over http with the pictures themselves, as `data:` URLs: their clients make files of those and of https alone.

    With their addresses where the store does not give them: the prediction has succeeded, and a client that has just
    created it would not learn its id from an error.
    """
    prediction = listed(request, parts, job)
    size = sum(image.size_bytes for image in job.images)
    if not prediction.urls.get.startswith("http:") or not 0 < size <= _MOST_INLINE_BYTES:
        return prediction
    try:
        files = await contents(parts, job, owner)
    except (ImageNotFound, StoreError, RedisError) as error:
        log.warning("pictures_not_inline", job_id=job.id, owner=owner.name, error=error)
        return prediction
    inline = [_data_url(image.content_type, file) for image, file in zip(job.images, files, strict=True)]
    return prediction.model_copy(update={"output": inline})


def _data_url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{b64encode(content).decode()}"
