"""Whether there is room for the pictures of a new job.

Knows the disk and Redis; knows nothing of HTTP.
"""

import asyncio
import shutil
import time
from pathlib import Path

import redis.asyncio

from contract import keys

_FRESH_SECONDS = 1.0


class StoreRoom:
    """Looks at most once a second, however often it is asked."""

    def __init__(self, client: redis.asyncio.Redis, folder: Path, min_free_bytes: int, limit_bytes: int | None) -> None:
        self._client = client
        self._folder = folder
        self.min_free_bytes = min_free_bytes
        self.limit_bytes = limit_bytes
        self._look_again_at = 0.0
        self._full: str | None = None

    async def refusal(self) -> str | None:
        """Why there is no room, None where there is. Raises RedisError."""
        now = time.monotonic()
        if now >= self._look_again_at:
            # Before the look: who asks meanwhile gets the last answer, and waits for no disk and no Redis that hangs.
            self._look_again_at = now + _FRESH_SECONDS
            self._full = await self._disk_full() or await self._limit_reached()
        return self._full

    async def disk_free_bytes(self) -> int | None:
        """Free now on the disk of the pictures; None where nobody can tell."""
        try:
            total, _, free = await asyncio.to_thread(shutil.disk_usage, self._folder)
        except OSError:
            return None  # a store that does not answer is not full; /readyz says what it is
        return free if total else None  # some file systems do not tell

    async def _disk_full(self) -> str | None:
        if not self.min_free_bytes:
            return None
        free = await self.disk_free_bytes()
        if free is None or free >= self.min_free_bytes:
            return None
        return f"No room for more pictures: {free} bytes of the disk are free, {self.min_free_bytes} must be."

    async def _limit_reached(self) -> str | None:
        if self.limit_bytes is None:
            return None
        told = await self._client.mget(keys.STORED_BYTES, keys.ROOM_WANTED)
        stored, wanted = (int(value or 0) for value in told)
        if stored < self.limit_bytes and stored + wanted <= self.limit_bytes:
            return None
        return f"No room for more pictures: {stored} bytes are stored, and {self.limit_bytes} may be."
