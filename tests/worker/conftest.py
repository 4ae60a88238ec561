"""The real worker process around a stub pipeline, and the line of jobs that it takes from."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from contract.job import Job, JobStatus
from darkroom.settings import variables
from tests.conftest import end, start_stub, wait_until
from tests.contract.test_scripts import Line
from tests.submissions import PARAMETERS

Start = Callable[..., subprocess.Popen[bytes]]
Previews = Callable[[int], list[str]]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker; every one that is left is killed in the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def start_worker(name: str = "w", **environment: str) -> subprocess.Popen[bytes]:
        processes.append(start_stub(redis_url, tmp_path, name, **variables(**environment)))
        return processes[-1]

    yield start_worker
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            end(process, signal.SIGKILL)


@pytest.fixture
def line(client: redis.Redis) -> Line:
    return Line(client)


@pytest.fixture
def previews(client: redis.Redis) -> Iterator[Previews]:
    """Listens from the beginning; called, it waits for so many messages."""
    with client.pubsub() as channel:
        channel.subscribe("darkroom:previews")
        wait_until(lambda: (channel.get_message(timeout=1) or {}).get("type") == "subscribe")

        def next_ones(count: int) -> list[str]:
            return [wait_until(lambda: channel.get_message(timeout=1), 20)["data"] for _ in range(count)]

        yield next_ones


def submit(line: Line, job_id: str, prompt: str = "a fox", timeout: int = 60, **changes: Any) -> None:
    parameters = PARAMETERS.model_copy(update={"prompt": prompt} | changes)
    line.submit(
        job_id,
        parameters=parameters.model_dump_json(),
        batch_key="all alike",
        image_count=parameters.num_images_per_prompt,
        timeout_seconds=timeout,
    )


def reach(line: Line, job_id: str, status: JobStatus, seconds: float = 20) -> Job:
    def arrived() -> Job | None:
        job = line.fetch(job_id)
        return job if job.status is status else None

    job: Job = wait_until(arrived, seconds)
    return job


def running(line: Line, job_id: str, step: int = 1) -> None:
    """Waits until the job has shown that many steps."""
    wait_until(lambda: (progress := line.fetch(job_id).progress) and progress.step >= step, 20)
