"""The service's connection to Redis: a bounded number of connections, and no call that holds up a request for long.

Knows timeouts; knows nothing of what is asked.
"""

import asyncio
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as RedisTimeoutError

_ANSWER_SECONDS = 1.2
"""Whatever Redis and the network do: a request that makes one call is then answered within two seconds."""
_CONNECTIONS = 64


class _PromptRedis(redis.asyncio.Redis):
    """The client's own timeouts add up: for each try, and for each handshake of a new connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._free = asyncio.Semaphore(_CONNECTIONS)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        # A task, so that neither this timeout nor a client that hangs up cuts into an exchange with Redis.
        exchange = asyncio.create_task(self._exchange(*args, **options))
        exchange.add_done_callback(_forget)
        done, _ = await asyncio.wait({exchange}, timeout=_ANSWER_SECONDS)
        if done:
            return exchange.result()
        exchange.cancel()
        raise RedisTimeoutError(f"no answer within {_ANSWER_SECONDS} seconds")

    async def _exchange(self, *args: Any, **options: Any) -> Any:
        async with self._free:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def connect(url: str) -> redis.asyncio.Redis:
    """A client whose commands raise RedisError where Redis does not answer in time."""
    return _PromptRedis.from_url(
        url,
        decode_responses=True,
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),  # for a connection that went stale
    )


def _forget(exchange: asyncio.Task[Any]) -> None:
    """Whoever waited for it may have gone: asyncio would complain of an error that nobody has seen."""
    if not exchange.cancelled():
        exchange.exception()
