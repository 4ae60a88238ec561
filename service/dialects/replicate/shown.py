"""A prediction as it is answered to a request. Knows what the client called the service, and the store."""

from base64 import b64encode

from fastapi import Request

from contract.job import Job
from service.access.owners import Owner
from service.dependencies import Parts
from service.dialects.attended import contents
from service.dialects.replicate.prediction import Prediction, prediction_of

_MOST_INLINE_BYTES = 16 * 1024 * 1024


def listed(request: Request, parts: Parts, job: Job) -> Prediction:
    """With the addresses of the pictures, which need no key for a while."""
    return prediction_of(job, parts.absolute_url(request, ""), parts.signed_urls.sign)


async def shown(request: Request, parts: Parts, job: Job, owner: Owner) -> Prediction:
    """Over http with the pictures themselves, as `data:` URLs: their clients make files of those and of https alone.

    Raises ImageNotFound and StoreError.
    """
    prediction = listed(request, parts, job)
    size = sum(image.size_bytes for image in job.images)
    if not prediction.urls.get.startswith("http:") or not 0 < size <= _MOST_INLINE_BYTES:
        return prediction
    files = await contents(parts, job, owner)
    inline = [_data_url(image.content_type, file) for image, file in zip(job.images, files, strict=True)]
    return prediction.model_copy(update={"output": inline})


def _data_url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{b64encode(content).decode()}"
