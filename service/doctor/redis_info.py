"""What INFO and CONFIG GET of a Redis mean for jobs: does it keep them, does it take more.

Judges what it is handed; asks nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.finding import Finding, size

_SLOW_SECONDS = 0.05
"""A quarter of the time between two beats of a busy worker."""
_OLDEST_VERSION = (6, 2)
"""The first with BLMOVE, on which an idle worker waits."""
_NEARLY_FULL = 0.9
_SKEW_SECONDS = 2.0

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """What CONFIG GET says; None where the user of the URL may not ask."""

    appendfsync: str | None = None
    stop_writes: str | None = None
    save: str | None = None


def answering(info: Info, latency_seconds: float, where: str) -> Finding:
    """Of a Redis that does."""
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "?"))
    found = f"{name} {version} at {where} answers in {latency_seconds * 1000:.1f} ms"
    if info.get("loading"):
        found += ", and still loads its data"
        return Finding(check="redis", verdict="warning", found=found, mend="wait, and ask again")
    compatible = tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdecimal())
    if compatible < _OLDEST_VERSION:
        return Finding(check="redis", verdict="wrong", found=f"{found}, and is too old", mend="use 6.2 or newer")
    if latency_seconds > _SLOW_SECONDS:
        mend = "run Redis nearer to the service and the workers, and look for slow commands with SLOWLOG GET"
        return Finding(check="redis", verdict="warning", found=f"{found}, which is slow", mend=mend)
    return Finding(check="redis", verdict="ok", found=found)


def persistence(info: Info, config: Config) -> Finding:
    """Whether what was accepted outlives a crash."""
    name = "redis_persistence"
    if not info.get("aof_enabled"):
        return Finding(
            check=name,
            verdict="wrong",
            found="there is no append-only file: with a restart of Redis the jobs since the last snapshot are lost",
            mend="CONFIG SET appendonly yes, and `appendonly yes` in its configuration",
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding(
            check=name,
            verdict="wrong",
            found="the append-only file cannot be written: Redis refuses jobs",
            mend="look for a full disk, and into the log of Redis",
        )
    if config.appendfsync == "no":
        return Finding(
            check=name,
            verdict="warning",
            found="the append-only file is synced when the system likes: a power cut may lose half a minute of jobs",
            mend="CONFIG SET appendfsync everysec, and the same in its configuration",
        )
    if info.get("aof_last_bgrewrite_status", "ok") != "ok":
        return Finding(
            check=name,
            verdict="warning",
            found="the append-only file could not be rewritten the last time, and grows",
            mend="look for room on its disk and in memory, then BGREWRITEAOF",
        )
    synced = f"synced {config.appendfsync}" if config.appendfsync else "how it is synced may not be asked"
    return Finding(
        check=name, verdict="ok", found=f"append-only file, {size(int(info.get('aof_current_size', 0)))}, {synced}"
    )


def snapshots(info: Info, config: Config) -> Finding:
    """Whether one that failed stops all writes."""
    name = "redis_snapshots"
    if info.get("rdb_last_bgsave_status", "ok") == "ok":
        return Finding(check=name, verdict="ok", found="none failed")
    mend = "look for room on its disk and in memory, then BGSAVE; or CONFIG SET save '', the append-only file is enough"
    if config.stop_writes == "no" or config.save == "":
        return Finding(check=name, verdict="warning", found="the last one failed", mend=mend)
    found = "the last one failed, and Redis refuses to be written to until one succeeds"
    return Finding(check=name, verdict="wrong", found=found, mend=mend)


def memory(info: Info) -> Finding:
    """Whether it evicts jobs, or has no room for more."""
    name = "redis_memory"
    used, limit, total = (int(info.get(key, 0)) for key in ("used_memory", "maxmemory", "total_system_memory"))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    bound = size(limit) if limit else f"{size(total)} of its machine, without a limit of its own"
    found = f"{size(used)} used of {bound}; {policy}"
    if policy != "noeviction":
        mend = "CONFIG SET maxmemory-policy noeviction, and the same in its configuration"
        loses = "it removes jobs when memory is full" if limit else "it would remove jobs if it had a limit"
        return Finding(check=name, verdict="wrong" if limit else "warning", found=f"{found}: {loses}", mend=mend)
    if limit and used >= limit:
        mend = "raise maxmemory, or lower DARKROOM_RETENTION_SECONDS and DARKROOM_MAX_QUEUED_JOBS"
        return Finding(check=name, verdict="wrong", found=f"{found}: no job is taken", mend=mend)
    if (room := limit or total) and used > _NEARLY_FULL * room:
        mend = "give it more memory, or lower DARKROOM_RETENTION_SECONDS"
        return Finding(check=name, verdict="warning", found=f"{found}: nearly full", mend=mend)
    return Finding(check=name, verdict="ok", found=found)


def role(info: Info) -> Finding:
    """Whether it is the one Redis that Darkroom needs."""
    name = "redis_role"
    if info.get("role") == "slave":
        main = f"{info.get('master_host')}:{info.get('master_port')}"
        mend = f"name {main} in DARKROOM_REDIS_URL, or make this one its own master with REPLICAOF NO ONE"
        return Finding(check=name, verdict="wrong", found=f"a replica of {main}: it takes no jobs", mend=mend)
    if info.get("cluster_enabled"):
        mend = "use one Redis by itself"
        return Finding(check=name, verdict="wrong", found="a cluster: the moves of a job need one Redis", mend=mend)
    replicas = int(info.get("connected_slaves", 0))
    more = f", {replicas} replicas: a failover may lose jobs" if replicas else ""
    return Finding(check=name, verdict="ok", found=f"a master{more}")


def clock(skew_seconds: float) -> Finding:
    """Its time, less this machine's."""
    name = "redis_clock"
    found = f"{abs(skew_seconds):.3f} s {'ahead of' if skew_seconds > 0 else 'behind'} this machine's"
    if abs(skew_seconds) < _SKEW_SECONDS:
        return Finding(check=name, verdict="ok", found=found)
    found += ": times of jobs and signed URLs are wrong by as much"
    return Finding(check=name, verdict="warning", found=found, mend="run a time service (NTP) on both machines")
