"""`darkroom serve` as a user runs it, with the bundled model."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, free_port, wait_until

READY_SECONDS = 90


@dataclass(frozen=True)
class Serve:
    """A running `darkroom serve`; `log` is what it prints."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    log: Path
    data_dir: Path
    metrics_port: int = 0
    """Of the worker."""

    def printed(self, pattern: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return re.search(pattern, self.log.read_text(), re.MULTILINE) is not None

    def until_ready(self) -> "Serve":
        wait_until(lambda: self.printed("^ready$"), READY_SECONDS)
        return self

    def submit(self, **parameters: Any) -> str:
        answer = self.http.post("/generate", json={"prompt": "a photo of a fox on a blue background"} | parameters)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def job(self, job_id: str, wait: int = 0) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job_id}", params={"wait": wait})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def end_of(self, job_id: str) -> dict[str, Any]:
        """The job once it has succeeded."""

        def ended() -> dict[str, Any] | None:
            job = self.job(job_id, wait=60)
            return job if job["completed_at"] else None

        job: dict[str, Any] = wait_until(ended, READY_SECONDS)
        assert job["status"] == "succeeded", job
        return job

    def images(self, **parameters: Any) -> list[bytes]:
        job = self.end_of(self.submit(**parameters))
        return [self.http.get(image["url"]).content for image in job["images"]]

    def worker_pid(self) -> int:
        workers = self.http.get("/readyz").json()["workers"]
        return int(next(worker["pid"] for worker in workers if worker["state"] == "ready"))


def processes_of(data_dir: Path) -> list[int]:
    """Every process whose environment or command line names the data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(data_dir).encode() in b" ".join(
                (entry / name).read_bytes() for name in ("environ", "cmdline")
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


StartServe = Callable[..., Serve]


def start_serve(data_dir: Path, **environment: str) -> Serve:
    port, metrics_port = free_port(), free_port()
    log = data_dir.parent / f"{data_dir.name}-{port}.log"
    command = ["-m", "darkroom", "serve", "--port", str(port), "--data-dir", str(data_dir), "--device", "cpu"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "DARKROOM_METRICS_PORT": str(metrics_port)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False)
    return Serve(process, http, log, data_dir, metrics_port)


def stop_serve(serve: Serve) -> None:
    serve.http.close()
    if serve.process.poll() is None:
        serve.process.send_signal(signal.SIGINT)
        serve.process.wait(60)
    deadline = time.monotonic() + 10
    while processes_of(serve.data_dir) and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One for all tests of a module that only use it."""
    running = start_serve(tmp_path_factory.mktemp("serve") / "data").until_ready()
    yield running
    stop_serve(running)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartServe]:
    """For tests that kill it: starts on one data folder, again and again."""
    started: list[Serve] = []

    def start_one(**environment: str) -> Serve:
        started.append(start_serve(tmp_path / "data", **environment))
        return started[-1]

    yield start_one
    for running in reversed(started):  # the last one may use what the first one has left
        stop_serve(running)
