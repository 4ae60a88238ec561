"""The service's connection to Redis: a bounded pool that fails soon rather than hold up a request.

Knows timeouts; knows nothing of what is asked.
"""

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_TRY_SECONDS = 0.8
"""Twice, as one retry covers a connection that went stale, and once _POOL_SECONDS: every call answers within two."""
_POOL_SECONDS = 0.3
_CONNECTIONS = 64


def connect(url: str) -> redis.asyncio.Redis:
    """A client whose calls raise RedisError within two seconds where Redis does not answer."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_POOL_SECONDS,
        decode_responses=True,
        socket_timeout=_TRY_SECONDS,
        socket_connect_timeout=_TRY_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)
