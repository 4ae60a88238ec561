"""The bytes of pictures in another format or size than they are stored in.

Knows Pillow and the store; knows nothing of HTTP. Work is done on threads, little of it at once, and kept for a while.
"""

import asyncio
import io
from dataclasses import replace

import structlog
from PIL import Image

from contract.image_file import encode_pixels
from contract.image_store import ImageStore
from contract.job import StoredImage
from contract.parameters import MAX_SIDE, OutputFormat
from contract.provenance import Provenance, read_provenance
from service.errors import ImageNotFound, ImageUnreadable
from service.pictures.bytes_cache import BytesCache
from service.pictures.representation import Representation, stored_format

log = structlog.get_logger("darkroom.service")

_AT_ONCE = 2
"""A picture of 4096 x 4096 takes about 160 MB while it is encoded."""
_CACHE_BYTES = 32 * 1024 * 1024


class ImageVariants:
    """Encodes what is asked for, or hands out what it encoded lately."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._cache = BytesCache(_CACHE_BYTES)
        self._limit = asyncio.Semaphore(_AT_ONCE)

    async def get(self, wanted: Representation) -> bytes:
        """The variant's bytes. Raises ImageNotFound, ImageUnreadable or StoreError."""
        content = self._cache.get(wanted.etag)
        if content is not None:
            return content
        async with self._limit:
            # Whoever waited in front may have asked for the same one.
            content = self._cache.get(wanted.etag)
            if content is None:
                content = await self._make(wanted)
                self._cache.put(wanted.etag, content)
        return content

    async def _make(self, wanted: Representation) -> bytes:
        stored = await self._store.get(wanted.image.key)
        if stored is None:
            raise ImageNotFound("The picture is no longer in the store.")
        return await asyncio.to_thread(_encode, stored, wanted)


def _encode(stored: bytes, wanted: Representation) -> bytes:
    pixels, provenance = decode(stored, wanted.image)
    if wanted.width is not None:
        height = max(1, round(wanted.width * pixels.height / pixels.width))
        pixels = pixels.resize((wanted.width, height), Image.Resampling.LANCZOS)
    return encode_pixels(pixels, wanted.output_format, _as_drawn_in(wanted.output_format, provenance))


def _as_drawn_in(output_format: OutputFormat, provenance: Provenance) -> Provenance:
    """What the file would say had the job asked for that format; of a smaller copy, what the whole picture says."""
    if provenance.parameters is None:
        return provenance
    return replace(provenance, parameters=provenance.parameters.model_copy(update={"output_format": output_format}))


def decode(stored: bytes, image: StoredImage) -> tuple[Image.Image, Provenance]:
    """What a file shows and says that is no larger than any picture of ours; its header alone is read to tell.

    Raises ImageUnreadable, with a line in the log.
    """
    try:
        with Image.open(io.BytesIO(stored), formats=[stored_format(image).upper()]) as picture:
            if max(picture.size) > MAX_SIDE:
                raise _unreadable(image, "The stored picture is larger than any that was drawn.")
            return picture.convert("RGB"), read_provenance(picture.info.get("xmp"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(image, "The stored picture cannot be decoded.") from error


def _unreadable(image: StoredImage, reason: str) -> ImageUnreadable:
    log.warning("image_unreadable", job_id=image.key.partition("/")[0], image=image.key, reason=reason)
    return ImageUnreadable(reason)
