"""Where images are kept, behind a few verbs.

Knows obstore; knows nothing of jobs or formats. A put is atomic: a reader sees the whole object or none.
"""

from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from contract.errors import StoreError


class ImageStore:
    """Objects under keys like `<job id>/<name>`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, content: bytes) -> None:
        """Raises StoreError, and then leaves nothing behind."""
        try:
            obstore.put(self._store, key, content)
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error

    async def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none. Raises StoreError."""
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error

    async def get_range(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` up to and without `end`, None where there is no such object.

        Raises StoreError, also where the object ends before `end`.
        """
        try:
            content = bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError, ValueError) as error:
            raise StoreError(str(error)) from error
        if len(content) != end - start:
            raise StoreError(f"{key} ends before byte {end}")
        return content

    async def remove_all(self, folder: str) -> None:
        """Removes every object under a folder; one that is gone already is no error. Raises StoreError."""
        try:
            found = await obstore.list(self._store, f"{folder}/").collect_async()
            if found:
                await obstore.delete_async(self._store, [item["path"] for item in found])
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error

    async def check(self) -> None:
        """Raises StoreError unless the store takes an object."""
        try:
            await obstore.put_async(self._store, "check", b"")
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error


def local_image_store(folder: Path) -> ImageStore:
    """A store in a folder of this machine, made where it is missing. Raises StoreError."""
    try:
        return ImageStore(LocalStore(folder, mkdir=True, automatic_cleanup=True))
    except (BaseError, OSError) as error:
        raise StoreError(f"{folder}: {error}") from error
