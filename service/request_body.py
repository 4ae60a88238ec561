"""The body of a request, up to a size and within a time. Knows nothing of what it holds."""

import asyncio

from fastapi import Request

from service.errors import BodyTooLarge, BodyTooSlow

BODY_SECONDS = 30.0


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Raises BodyTooLarge as soon as more has come, declared or chunked, and BodyTooSlow."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, max_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"The body must have come within {BODY_SECONDS:.0f} seconds.") from None


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLarge(f"The body must be at most {max_bytes} bytes.")
    return bytes(body)


def media_type(request: Request) -> str:
    """What the request calls its body, without parameters and in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
