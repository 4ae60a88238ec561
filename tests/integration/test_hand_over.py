"""`darkroom serve` replaces a worker whose memory has grown: no job is lost or tried twice, and nobody waits.

With the stub as the worker, so that each moment of the hand-over can be met; once with the bundled model.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, free_port, wait_until
from tests.exposition import scrape_port
from tests.integration.conftest import Serve, StartServe, processes_of, stop_serve

LIMIT = {"DARKROOM_RECYCLE_DRIFT_BYTES": str(32 << 20)}
SETTLED = 10
REPLACED = "the worker was replaced; memory had grown"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Callable[[], Serve]]:
    """Starts `serve` with the stub as its worker."""
    started: list[Serve] = []

    def start_one() -> Serve:
        port, data_dir, log = free_port(), tmp_path / "data", tmp_path / "log"
        environment = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | LIMIT
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.stub_serve", str(port), str(data_dir)],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False)
        started.append(Serve(process, http, log, data_dir))
        return started[-1].until_ready()

    yield start_one
    for running in reversed(started):
        stop_serve(running)


def submit(serve: Serve, *prompts: str) -> list[str]:
    return [serve.submit(prompt=prompt, width=64, height=64) for prompt in prompts]


def submit_a_leak(serve: Serve) -> list[str]:
    """The jobs in which the worker settles, then one that leaks."""
    return submit(serve, *["a fox"] * SETTLED, "leak 64")


def begin_a_hand_over(serve: Serve) -> tuple[str, int, int]:
    """A long job that the predecessor runs, and the pids of both, the successor told and waiting."""
    for job_id in submit_a_leak(serve)[:-1]:
        serve.end_of(job_id)
    first = serve.worker_pid()
    long = submit(serve, "steps 200")[0]
    wait_until(lambda: running_step(serve, long) > 0, 30)
    wait_until(lambda: serve.printed("the worker is about to be replaced"), 30)
    second = wait_until(lambda: [pid for pid in workers_of(serve) if pid != first], 30)[0]
    wait_until(lambda: waits_for_a_lock(second), 30)
    return long, first, second


def running_step(serve: Serve, job_id: str) -> int:
    progress = serve.job(job_id)["progress"]
    return int(progress["step"]) if progress else 0


def workers_of(serve: Serve) -> list[int]:
    return [pid for pid in processes_of(serve.data_dir) if b"stub_worker" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def waits_for_a_lock(pid: int) -> bool:
    return any("->" in each and f" {pid} " in each for each in Path("/proc/locks").read_text().splitlines())


def assert_one_at_a_time(jobs: list[dict[str, Any]]) -> None:
    """Each batch started after the one before had been drawn, though maybe not stored: never two workers at once."""
    drawing: dict[datetime, float] = {}
    for job in jobs:
        started, timings = datetime.fromisoformat(job["started_at"]), job["timings"]
        seconds = timings["denoise_seconds"] + timings["decode_seconds"]
        drawing[started] = max(seconds, drawing.get(started, 0))
    for (before, seconds), (started, _) in pairwise(sorted(drawing.items())):
        assert before + timedelta(seconds=seconds) <= started


@contextmanager
def watched(serve: Serve) -> Iterator[list[list[str]]]:
    """Asks /readyz all the time; in the end holds each answer that named no ready worker."""
    gaps: list[list[str]] = []
    over = threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=serve.http.base_url, timeout=90, trust_env=False) as http:
            while not over.is_set():
                states = [worker["state"] for worker in http.get("/readyz").json()["workers"]]
                if states != ["ready"]:
                    gaps.append(states)
                time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield gaps
    finally:
        over.set()
        thread.join()


def test_a_worker_that_leaks_is_replaced_under_load_and_no_job_notices(stub: Callable[[], Serve]) -> None:
    serve = stub()
    first = serve.worker_pid()
    with watched(serve) as gaps:
        job_ids = submit_a_leak(serve) + submit(serve, *["steps 4"] * 30)
        wait_until(lambda: serve.printed(REPLACED), 60)
        job_ids += submit(serve, "steps 2", "steps 2")
        jobs = [serve.end_of(job_id) for job_id in job_ids]
    assert {job["attempts"] for job in jobs} == {1}
    assert_one_at_a_time(jobs)
    assert gaps == []
    assert serve.worker_pid() != first
    assert workers_of(serve) == [serve.worker_pid()]
    assert serve.log.read_text().count("the worker is about to be replaced") == 1
    assert "restarting" not in serve.log.read_text()


def test_a_predecessor_killed_while_its_successor_waits_loses_nothing(stub: Callable[[], Serve]) -> None:
    serve = stub()
    job_id, first, second = begin_a_hand_over(serve)
    os.kill(first, signal.SIGKILL)
    assert serve.end_of(job_id)["attempts"] == 2
    assert serve.worker_pid() == second
    assert serve.printed("the worker ended .signal SIGKILL.; its successor takes over")


def test_a_successor_killed_while_it_waits_loses_nothing(stub: Callable[[], Serve]) -> None:
    serve = stub()
    job_id, first, second = begin_a_hand_over(serve)
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: serve.printed("the worker's successor ended .signal SIGKILL.; the worker stays"))
    assert serve.worker_pid() == first
    jobs = [serve.end_of(each) for each in [job_id, *submit(serve, "a fox")]]
    assert [job["attempts"] for job in jobs] == [1, 1]
    assert serve.worker_pid() not in (first, second)


def test_a_signal_in_the_middle_of_a_hand_over_leaves_no_process(stub: Callable[[], Serve]) -> None:
    serve = stub()
    job_id, _, _ = begin_a_hand_over(serve)
    serve.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    serve.process.send_signal(signal.SIGINT)
    assert serve.process.wait(20) == 0
    assert processes_of(serve.data_dir) == []
    assert "Traceback" not in serve.log.read_text()
    # Not a third one by the successor, which ends first.
    assert stub().end_of(job_id)["attempts"] == 2


def test_killing_serve_in_the_middle_of_a_hand_over_leaves_no_process(stub: Callable[[], Serve]) -> None:
    serve = stub()
    job_id, _, _ = begin_a_hand_over(serve)
    serve.process.send_signal(signal.SIGKILL)
    serve.process.wait()
    wait_until(lambda: processes_of(serve.data_dir) == [], 10)
    assert stub().end_of(job_id)["attempts"] == 2


@pytest.mark.timeout(300)
def test_the_bundled_model_hands_over(start: StartServe) -> None:
    serve = start(DARKROOM_RECYCLE_DRIFT_BYTES="1").until_ready()
    first = serve.worker_pid()
    with watched(serve) as gaps:
        job_ids = [serve.submit(seed=seed, num_inference_steps=2) for seed in range(25)]
        jobs = [serve.end_of(job_id) for job_id in job_ids]

        def grown_until_replaced() -> bool:
            # Whether a job leaves the memory larger is up to the allocator: in the end one does.
            side = 64 * (1 + len(jobs) % 4)
            jobs.append(serve.end_of(serve.submit(width=side, height=side, num_inference_steps=2)))
            return serve.printed(REPLACED)

        wait_until(grown_until_replaced, 90)
        jobs.append(serve.end_of(serve.submit(seed=25, num_inference_steps=2)))
    assert {job["attempts"] for job in jobs} == {1}
    assert_one_at_a_time(jobs)
    assert gaps == []
    assert serve.worker_pid() != first
    # The successor's own metrics, on its predecessor's port: of the jobs since, not of all.
    told = scrape_port(serve.metrics_port)
    assert 1 <= told.value("darkroom_denoise_seconds_count") < len(jobs)
