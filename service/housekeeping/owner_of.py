"""Whose a job is, for what the log says of it. Knows Redis alone."""

from typing import cast

import redis.asyncio

from contract import keys


async def owner_of(client: redis.asyncio.Redis, job_id: str) -> str | None:
    """The owner's name, None where there is no such job any more. Raises RedisError."""
    return cast(str | None, await client.hget(keys.JOB_PREFIX + job_id, "owner"))
