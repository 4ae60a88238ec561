"""Redis: does it answer, what does it say of itself, may a script write there.

Knows connections and their errors; what is said is judged in redis_info.
"""

import os
import time
from statistics import median
from typing import cast

import redis.asyncio
from redis import ConnectionPool
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from contract import keys
from contract.finding import Finding
from service.doctor.redis_info import Config, Info, answering, clock, memory, persistence, role, snapshots
from service.redis_client import connect

_ANSWERS = 9
_PROBE = "return redis.call('SET', ARGV[1], '1', 'PX', 1000)"


def address(url: str) -> str:
    """Where it is, without user, password and options."""
    options = ConnectionPool.from_url(url).connection_kwargs
    if "path" in options:
        return f"the socket {options['path']}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


async def look_at_redis(url: str) -> list[Finding]:
    """One finding where it cannot be used at all, otherwise what it is set to and how it is."""
    client = connect(url)
    try:
        # Not PING, which a Redis refuses that could not write its file.
        answers = [await _ask_time(client) for _ in range(_ANSWERS)]
    except RedisError as error:
        return [_absent(error, address(url))]
    else:
        latency_seconds, skew_seconds = (median(values) for values in zip(*answers, strict=True))
        told = await _told(client, latency_seconds, address(url))
        return [*told, clock(skew_seconds), await _writing(client)]
    finally:
        await client.aclose()


async def _told(client: redis.asyncio.Redis, latency_seconds: float, where: str) -> list[Finding]:
    """What it says of itself."""
    try:
        info = cast(Info, await client.info("everything"))
    except RedisError as error:
        found = f"Redis at {where} answers, and does not say how it is: {error}"
        return [Finding(check="redis", verdict="warning", found=found, mend="let its user run INFO and CONFIG GET")]
    names = ("appendfsync", "stop-writes-on-bgsave-error", "save")
    config = Config(*[await _config(client, name) for name in names])
    return [
        answering(info, latency_seconds, where),
        persistence(info, config),
        snapshots(info, config),
        memory(info),
        role(info),
    ]


async def _ask_time(client: redis.asyncio.Redis) -> tuple[float, float]:
    """In seconds: how long the answer takes, and how far its time is ahead of the middle of that."""
    started, before = time.perf_counter(), time.time()
    seconds, microseconds = await client.time()
    taken = time.perf_counter() - started
    return taken, seconds + microseconds / 1e6 - (before + taken / 2)


async def _config(client: redis.asyncio.Redis, name: str) -> str | None:
    try:
        return cast(dict[str, str], await client.config_get(name)).get(name)
    except RedisError:
        return None


async def _writing(client: redis.asyncio.Redis) -> Finding:
    """Whether a script may run, and write."""
    name = "redis_writing"
    try:
        await client.eval(_PROBE, 0, keys.PROBE)
    except RedisTimeoutError:
        return Finding(check=name, verdict="wrong", found="a script that writes is not answered in time")
    except RedisError as error:
        mend = "let the user of DARKROOM_REDIS_URL run EVAL and write; where Redis itself is the reason, see above"
        return Finding(check=name, verdict="wrong", found=f"a script may not write: {error}", mend=mend)
    return Finding(check=name, verdict="ok", found="a script ran, and could write")


def _absent(error: RedisError, where: str) -> Finding:
    if isinstance(error, RedisTimeoutError):
        found, mend = "does not answer in time", "look at its process, and at what is between it and this machine"
    elif isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError):
        found, mend = "refuses this user or password", "set the password in DARKROOM_REDIS_URL, percent-encoded"
    elif isinstance(error, ResponseError):
        found, mend = f"refuses to be asked: {error}", "let the user of DARKROOM_REDIS_URL run every command"
    else:
        found, mend = f"cannot be reached: {_reason(error)}", "start it, or name another in DARKROOM_REDIS_URL"
    return Finding(check="redis", verdict="wrong", found=f"Redis at {where} {found}", mend=mend)


def _reason(error: RedisError) -> str:
    """The system's words rather than those of asyncio."""
    cause = error.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error)
