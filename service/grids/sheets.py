"""The contact sheets of grids: made of the pictures that are there, and kept while nothing changes.

Knows the store and Pillow; knows nothing of HTTP. Work is done on threads, one sheet at a time.
"""

import asyncio
import hashlib
import json

from PIL import Image

from contract.grid import CellRecord, GridRecord
from contract.image_file import ENCODER, encode_pixels
from contract.image_store import ImageStore
from contract.job import JobStatus
from contract.parameters import OutputFormat
from contract.provenance import Provenance
from service.errors import ImageUnreadable
from service.grids.contact_sheet import LAYOUT, ContactSheet, Content
from service.pictures.bytes_cache import BytesCache
from service.pictures.image_variants import decode

_CACHE_BYTES = 32 * 1024 * 1024


class Sheets:
    """Draws what is asked for, or hands out what it drew lately."""

    def __init__(self, store: ImageStore, *, mark_ai: bool) -> None:
        self._store = store
        self._provenance = Provenance("Darkroom" if mark_ai else None, None)
        self._cache = BytesCache(_CACHE_BYTES)
        self._turn = asyncio.Lock()

    def etag(self, grid: GridRecord, output_format: OutputFormat) -> str:
        """Strong: from all that the bytes follow from."""
        cells = [[*_words(cell), cell.images[0].sha256 if cell.images else None] for cell in grid.cells]
        source = [grid.shape.model_dump(mode="json"), cells, output_format, self._provenance.system, ENCODER, LAYOUT]
        return f'"{hashlib.sha256(json.dumps(source).encode()).hexdigest()}"'

    async def get(self, grid: GridRecord, output_format: OutputFormat) -> bytes:
        """The bytes of the sheet of a grid, as it is. Raises StoreError."""
        etag = self.etag(grid, output_format)
        content = self._cache.get(etag)
        if content is not None:
            return content
        async with self._turn:
            # Whoever waited in front may have asked for the same one.
            content = self._cache.get(etag)
            if content is None:
                content = await self._make(grid, output_format)
                self._cache.put(etag, content)
        return content

    async def _make(self, grid: GridRecord, output_format: OutputFormat) -> bytes:
        sheet = await asyncio.to_thread(ContactSheet, grid.shape)
        contents = [await self._content(cell, sheet.scale) for cell in grid.cells]
        return await asyncio.to_thread(lambda: encode_pixels(sheet.draw(contents), output_format, self._provenance))

    async def _content(self, cell: CellRecord, scale: float) -> Content:
        if not cell.images:
            return _words(cell)
        image = cell.images[0]
        stored = await self._store.get(image.key)
        if stored is None:
            return ("not in the store",)
        try:
            return await asyncio.to_thread(lambda: _scaled(decode(stored, image)[0], scale))
        except ImageUnreadable:
            return ("not readable",)


def _words(cell: CellRecord) -> tuple[str, ...]:
    """What is said of a cell that has no picture."""
    if cell.status is JobStatus.SUCCEEDED:
        return ("no picture",)
    return (cell.shown_status, *([cell.error.code] if cell.error else []))


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale == 1.0:
        return picture
    size = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)
