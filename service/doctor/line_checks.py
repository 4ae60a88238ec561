"""The line of jobs: who waits, who would draw them, whose lease nobody takes back.

Knows Redis, and changes nothing there.
"""

import redis.asyncio
from redis.exceptions import RedisError

from contract import keys
from contract.finding import Finding
from service.metrics.shared_metrics import Snapshot, SnapshotReader
from service.redis_client import connect
from service.workers import WorkerReport, worker_reports

_START = "start one: `darkroom serve`, or `python -m worker` with the same DARKROOM_REDIS_URL"
_REAPED_AFTER_SECONDS = 3 * keys.REAPER_GAP_SECONDS
"""A lease that ended before that has met a reaper, if there is one; grace after a gap included."""


async def look_at_line(url: str, max_queued_jobs: int) -> list[Finding]:
    """The line, the workers and the leases; one that says why where Redis does not tell."""
    client = connect(url)
    try:
        snapshot = await SnapshotReader(client).read()
        left_behind = await _ended_leases(client, snapshot.seconds)
    except RedisError as error:
        return [Finding(check="line", verdict="skipped", found=f"Redis does not tell ({type(error).__name__})")]
    finally:
        await client.aclose()
    workers = worker_reports(snapshot.workers, snapshot.seconds)
    return [line(snapshot, workers, max_queued_jobs), *(worker(each) for each in workers), leases(left_behind)]


def line(snapshot: Snapshot, workers: list[WorkerReport], max_queued_jobs: int) -> Finding:
    """Who waits, and whether anybody is there to draw it."""
    found = f"jobs in line: {snapshot.queue_depth}, running: {snapshot.running}"
    if snapshot.queue_depth:
        found += f"; the oldest has waited {snapshot.oldest_age_seconds:.0f} s"
    if not any(each.state in ("ready", "loading") for each in workers):
        verdict = "wrong" if snapshot.queue_depth else "warning"
        return Finding.model_validate(
            {"check": "line", "verdict": verdict, "found": f"{found}; no worker takes any", "mend": _START}
        )
    if snapshot.queue_depth >= max_queued_jobs:
        mend = "more workers, or a larger DARKROOM_MAX_QUEUED_JOBS"
        return Finding(check="line", verdict="warning", found=f"{found}: as many as may be", mend=mend)
    return Finding(check="line", verdict="ok", found=found)


def worker(report: WorkerReport) -> Finding:
    """What one says of itself."""
    found = f"{report.name} is {report.state}"
    if report.state == "failed":
        mend = "mend the reason, then restart the worker"
        why = report.reason or "its log says why"
        return Finding(check="workers", verdict="wrong", found=f"{found}: {why}", mend=mend)
    if report.state == "lost":
        mend = "look at its process and its log; a worker that is gone for good is forgotten after five minutes"
        return Finding(check="workers", verdict="warning", found=f"{found}: it is not heard of", mend=mend)
    with_model = f" with {report.model} on {report.device}" if report.model else ""
    return Finding(check="workers", verdict="ok", found=found + with_model)


def leases(left_behind: int) -> Finding:
    """Of workers that died: a service takes them back, and puts their jobs back in line."""
    if not left_behind:
        return Finding(check="leases", verdict="ok", found="none was left behind by a worker that died")
    found = (
        f"left by workers that died more than {_REAPED_AFTER_SECONDS} s ago, with a job that nobody has: {left_behind}"
    )
    mend = "run a service on this Redis: it takes them back within seconds"
    return Finding(check="leases", verdict="wrong", found=found, mend=mend)


async def _ended_leases(client: redis.asyncio.Redis, now: float) -> int:
    return int(await client.zcount(keys.LEASES, "-inf", now - _REAPED_AFTER_SECONDS))
