"""Where images are kept, behind a few verbs.

Knows obstore; knows nothing of jobs or formats. A put is atomic: a reader sees the whole object or none.
"""

import errno
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from contract.errors import StoreError, StoreFull

_CHUNK = 200
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OS_ERROR = re.compile(r"\(os error (\d+)\)$", re.MULTILINE)
"""obstore hands on what the system said as text alone; at the end of a line, so that no path is taken for it."""


class ImageStore:
    """Objects under keys like `<job id>/<name>`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, content: bytes) -> None:
        """Raises StoreFull where there is no room, or StoreError, and then leaves no object behind."""
        try:
            obstore.put(self._store, key, content)
        except (BaseError, OSError) as error:
            raise _store_error(error) from error

    async def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none. Raises StoreError."""
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise _store_error(error) from error

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

    async def walk(self, folder: str = "") -> AsyncIterator[list[str]]:
        """The key of every object, or of every one in a folder, in chunks of up to 200. Raises StoreError."""
        try:
            async for chunk in obstore.list(self._store, folder, chunk_size=_CHUNK):
                yield [item["path"] for item in chunk]
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise _store_error(error) from error

    async def remove(self, keys: Iterable[str]) -> None:
        """Removes objects; one that is gone already is no error. Raises StoreError."""
        try:
            for key in keys:
                # One by one: of several, the first that is gone would end the removal of the others.
                with suppress(NotFoundError, FileNotFoundError):
                    await obstore.delete_async(self._store, key)
        except (BaseError, OSError) as error:
            raise _store_error(error) from error

    async def remove_all(self, folder: str) -> None:
        """Removes every object in a folder. Raises StoreError."""
        async for keys in self.walk(folder):
            await self.remove(keys)

    async def check(self) -> None:
        """Raises StoreFull or StoreError unless the store takes an object."""
        try:
            await obstore.put_async(self._store, "check", b"")
        except (BaseError, OSError) as error:
            raise _store_error(error) from error


def local_image_store(folder: Path) -> ImageStore:
    """A store in a folder of this machine, made where it is missing. Raises StoreError."""
    try:
        return ImageStore(LocalStore(folder, mkdir=True, automatic_cleanup=True))
    except (BaseError, OSError) as error:
        raise StoreError(f"{folder}: {error}") from error


def _store_error(error: BaseError | OSError) -> StoreError:
    told = _OS_ERROR.search(str(error))
    number = int(told[1]) if told else getattr(error, "errno", None)
    return StoreFull(str(error)) if number in _NO_ROOM else StoreError(str(error))
