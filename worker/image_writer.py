"""Encodes the pictures of one job and puts them into the store: all of them, or none.

Knows the image store and how much it may hold; knows nothing of how pictures are drawn or jobs end.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence

import redis
import structlog
from PIL.Image import Image

from contract import keys
from contract.errors import StorageFull, StorageUnavailable, StoreError, StoreFull
from contract.image_file import CONTENT_TYPES, encode_image
from contract.image_store import ImageStore
from contract.job import StoredImage
from contract.parameters import GenerationParameters
from worker.execution import Execution

log = structlog.get_logger("darkroom.worker")

_ROOM_SECONDS = 3.0
"""The service makes room within a second, where there is something that may go."""
_ASK_AGAIN_SECONDS = 0.25


class ImageWriter:
    """One for all jobs of a worker."""

    def __init__(self, client: redis.Redis, store: ImageStore, limit_bytes: int | None, *, mark_ai: bool) -> None:
        self._client = client
        self._store = store
        self._limit_bytes = limit_bytes
        self._mark_ai = mark_ai

    def write(
        self, execution: Execution, parameters: GenerationParameters, images: Sequence[Image | None]
    ) -> list[StoredImage]:
        """The pictures as the job's record names them; where there is None in place of one, nothing is stored.

        Raises StorageFull or StorageUnavailable; LeaseLost or JobCanceled while it waits for room.
        """
        shown = [(index, image) for index, image in enumerate(images) if image is not None]
        encoded = [encode_image(image, parameters, index, mark_ai=self._mark_ai) for index, image in shown]
        self._find_room(execution, sum(map(len, encoded)))
        saved: list[StoredImage] = []
        for (index, image), content in zip(shown, encoded, strict=True):
            # The execution's id keeps a worker that lost its lease from writing over another's picture.
            key = f"{execution.job_id}/{execution.execution_id}-{index}.{parameters.output_format}"
            try:
                self._store.put(key, content)
            except StoreError as error:
                log.error("store_failed", error=error)
                self._take_back(saved)
                raise _failure(error) from error
            saved.append(
                StoredImage(
                    key=key,
                    index=index,
                    seed=parameters.seed + index,
                    width=image.width,
                    height=image.height,
                    content_type=CONTENT_TYPES[parameters.output_format],
                    size_bytes=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                )
            )
        return saved

    def _find_room(self, execution: Execution, needed: int) -> None:
        """Returns once the limit leaves room; asks the service for it where need be, and waits a little."""
        if self._limit_bytes is None or self._stored_bytes() + needed <= self._limit_bytes:
            return
        if needed > self._limit_bytes:
            raise StorageFull(f"The pictures take {needed} bytes; all that are stored may take {self._limit_bytes}.")
        deadline = time.monotonic() + _ROOM_SECONDS
        while self._stored_bytes() + needed > self._limit_bytes:
            self._client.set(keys.ROOM_WANTED, needed)
            if time.monotonic() > deadline:
                raise StorageFull("No room for the pictures: all that may be stored is, and too young to be removed.")
            execution.check_wanted()
            time.sleep(_ASK_AGAIN_SECONDS)

    def _stored_bytes(self) -> int:
        return int(self._client.get(keys.STORED_BYTES) or 0)

    def _take_back(self, saved: list[StoredImage]) -> None:
        # Only before the job has ended: a finish that seems to have failed may have been done all the same.
        try:
            asyncio.run(self._store.remove(image.key for image in saved))
        except StoreError as error:
            log.error("images_not_taken_back", error=error)


def _failure(error: StoreError) -> StorageFull | StorageUnavailable:
    if isinstance(error, StoreFull):
        return StorageFull("No room for the pictures on the disk of the image store.")
    return StorageUnavailable("The image store did not take the pictures.")
