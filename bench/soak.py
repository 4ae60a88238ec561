"""Whether anything is left behind: many jobs in a row, and what service, worker, Redis and folder then hold.

`python -m bench.soak` runs empty jobs, jobs of the bundled model, and, to show that it would be seen, jobs that leak.
Jobs are kept for some seconds only; when the last one has expired everything is counted again.
"""

import os
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil
import redis

from bench.client import Client, image_in_hand, request, run, window
from bench.figures import slope
from bench.report import Count, Goal, Result, Row, command, number
from bench.stack import Stack, Worker, stack
from contract import keys

CLIENTS = 4
SAMPLES = 40
GROWN = 2.0
"""Percent of a process's memory; a rise within two standard errors is none."""
KEPT_SECONDS = "5"
EMPTY, DRAWN, LEAKING = request(), request(num_inference_steps=2), request(prompt="leak 1")
"""Jobs for the stub worker, for the bundled model, and for the stub worker to keep 1 MiB of each."""
_EXPIRY_SECONDS = 600
_IDLE_SECONDS = 6
"""Redis removes expired keys ten times a second, the service idle connections after five seconds."""


@dataclass(frozen=True)
class Held:
    """What is held beside memory at one moment."""

    descriptors: int
    """Of service and worker."""
    keys: int
    """Without the locks of chores, which come and go."""
    files: int

    @classmethod
    def by(cls, darkroom: Stack) -> "Held":
        with redis.Redis.from_url(darkroom.redis_url) as client:
            return cls(
                sum(each.num_fds() for each in processes(darkroom).values()),
                sum(not key.startswith(keys.HOUSEKEEPING.encode()) for key in client.scan_iter(count=1000)),
                files_in(darkroom.image_store),
            )


def processes(darkroom: Stack) -> dict[str, psutil.Process]:
    """Those whose memory is looked at."""
    assert darkroom.worker is not None
    return {"service": psutil.Process(darkroom.service.pid), "worker": psutil.Process(darkroom.worker.pid)}


def resident(darkroom: Stack) -> dict[str, int]:
    """Bytes."""
    return {name: each.memory_info().rss for name, each in processes(darkroom).items()}


def files_in(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))  # which minds no folder that goes meanwhile


def until_expired(darkroom: Stack) -> None:
    """Until nothing is left of any job, and no connection of a client."""
    with redis.Redis.from_url(darkroom.redis_url) as client:
        deadline = time.monotonic() + _EXPIRY_SECONDS
        while cast(int, client.zcard(keys.EXPIRING)) or next(client.scan_iter(f"{keys.TOMBSTONE_PREFIX}*"), None):
            if time.monotonic() > deadline:
                break  # the rows show what is left
            time.sleep(1)
    time.sleep(_IDLE_SECONDS)


@dataclass(frozen=True)
class Growth:
    """Bytes that were resident in each process when so many jobs were done."""

    jobs: list[int]
    resident: dict[str, list[int]]
    failed: int = 0
    """Of all the jobs."""

    def rows(self, which: str, process: str, goal: Goal) -> list[Row]:
        """The slope is that of the second half: what fills up once is no leak, and a leak goes on."""
        half, before = len(self.jobs) // 2, self.resident[process][0]
        line = slope(self.jobs[half:], self.resident[process][half:])
        grown = 100 * line.surely * self.jobs[-1] / before
        return [
            Row(
                f"{which}: memory of the {process} per job (standard error {number(line.error)})", "bytes", [line.value]
            ),
            Row(f"{which}: memory of the {process}, surely grown in all", "%", [grown], goal),
        ]


def left_over(which: str, before: Held, after: Held) -> list[Row]:
    left = {
        "keys in Redis": after.keys - before.keys,
        "file descriptors": after.descriptors - before.descriptors,
        "files of pictures": after.files - before.files,
    }
    return [Row(f"{which}: {name}, more than before", "", [more], Goal(at_most=0)) for name, more in left.items()]


def draw(darkroom: Stack, jobs: int, body: bytes, clients: int = CLIENTS) -> int:
    """How many failed."""

    async def job(client: Client) -> None:
        await image_in_hand(client, body)

    return run(window(darkroom.port, darkroom.key, clients, jobs, job)).failed


def watch(darkroom: Stack, jobs: int, body: bytes) -> Growth:
    """Memory before the first job, and after every so many."""
    done, found, failed = [0], [resident(darkroom)], 0
    step = max(1, jobs // SAMPLES)
    while done[-1] < jobs:
        failed += draw(darkroom, min(step, jobs - done[-1]), body)
        done.append(min(done[-1] + step, jobs))
        found.append(resident(darkroom))
    return Growth(done, {name: [each[name] for each in found] for name in found[0]}, failed)


def soak(which: str, worker: Worker, jobs: int, body: bytes) -> list[Row]:
    """A warm-up of a tenth, everything counted, the jobs, everything counted once they have expired."""
    with stack(worker, retention_seconds=KEPT_SECONDS, tombstone_seconds="1") as darkroom:
        # By more clients than later on: the service keeps as many connections to Redis as it once needed together.
        draw(darkroom, max(1, jobs // 10), body, 4 * CLIENTS)
        until_expired(darkroom)
        before = Held.by(darkroom)
        growth = watch(darkroom, jobs, body)
        until_expired(darkroom)
        after = Held.by(darkroom)
    rows = [row for process in growth.resident for row in growth.rows(which, process, Goal(at_most=GROWN))]
    failed = Row(f"{which}: that failed", "", [growth.failed], Goal(at_most=0))
    return [*rows, *left_over(which, before, after), failed]


def leak(jobs: int) -> list[Row]:
    """The negative control: what such a measurement says of a worker that does keep something."""
    with stack("tests.stub_worker") as darkroom:
        draw(darkroom, max(1, jobs // 10), EMPTY)
        growth = watch(darkroom, jobs, LEAKING)
    return growth.rows("leaking 1 MiB a job, to be caught", "worker", Goal(at_least=GROWN))


def measure(asked: Namespace) -> Result:
    rows = soak("empty jobs", "tests.stub_worker", asked.jobs, EMPTY)
    if asked.model_jobs:
        rows += soak("the bundled model", "worker", asked.model_jobs, DRAWN)
    rows += leak(asked.leaking_jobs)
    conditions = {
        "empty jobs": asked.jobs,
        "jobs of the bundled model": asked.model_jobs,
        "jobs that leak": asked.leaking_jobs,
        "clients": CLIENTS,
        "kept for seconds": KEPT_SECONDS,
    }
    return Result("soak", "What many jobs leave behind", rows, conditions)


if __name__ == "__main__":
    command(
        __doc__,
        measure,
        jobs=Count(10_000, 40, "empty ones"),
        model_jobs=Count(1000, 0, "of the bundled model, two steps each"),
        leaking_jobs=Count(200, 40),
    )
