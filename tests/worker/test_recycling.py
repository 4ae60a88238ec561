"""When a worker has itself replaced, and how two of one name hand over: real processes, the test their supervisor."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from contract.job import JobStatus
from contract.worker_state import WorkerState
from tests.conftest import end, wait_until
from tests.contract.test_scripts import Line
from tests.worker.conftest import Start, reach, running, submit
from worker.recycling import SUCCESSOR_EXIT_CODE, Drift, resident_bytes

LIMIT = 32 << 20
SETTLED = 10


class FakeMemory:
    """A process that holds what the test says."""

    resident = 1000

    def __call__(self) -> int:
        return self.resident


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
def requests() -> Iterator[list[int]]:
    """The requests for a successor that have reached this process, which plays the supervisor."""
    seen: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, _frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGUSR1, former)


def settled(memory: FakeMemory, limit: int = 100) -> Drift:
    drift = Drift(limit, memory)
    for _ in range(SETTLED):
        assert not drift.exceeded(0)
    return drift


def test_what_the_first_ten_jobs_add_is_no_drift(memory: FakeMemory) -> None:
    drift = Drift(100, memory)
    for _ in range(SETTLED):
        memory.resident += 1000
        assert not drift.exceeded(0)
    memory.resident += 100
    assert not drift.exceeded(0)
    memory.resident += 1
    assert drift.exceeded(0)


def test_weights_that_came_or_went_are_no_drift(memory: FakeMemory) -> None:
    drift = settled(memory)
    memory.resident += 5000
    assert not drift.exceeded(5000)
    memory.resident += 101
    assert drift.exceeded(5000)


def test_memory_that_is_kept_when_the_weights_went_is_drift(memory: FakeMemory) -> None:
    drift = Drift(100, memory)
    for _ in range(SETTLED):
        drift.exceeded(500)
    assert drift.exceeded(0)


def test_it_is_told_again_only_after_as_much_growth_again(memory: FakeMemory) -> None:
    drift = settled(memory)
    memory.resident += 150
    assert [drift.exceeded(0) for _ in range(3)] == [True, False, False]
    memory.resident += 100
    assert not drift.exceeded(0)
    memory.resident += 1
    assert drift.exceeded(0)


def test_a_limit_of_zero_is_none(memory: FakeMemory) -> None:
    drift = settled(memory, limit=0)
    memory.resident += 1 << 50
    assert not drift.exceeded(0)


def test_the_process_s_own_memory_grows_with_what_it_keeps() -> None:
    before = resident_bytes()
    kept = b"\1" * (64 << 20)
    assert resident_bytes() - before > len(kept) // 2


def submit_a_leak(line: Line) -> list[str]:
    """Ten jobs in which the process settles, then one that leaks."""
    names = [f"job{number}" for number in range(SETTLED)]
    for name in names:
        submit(line, name)
    submit(line, "leak", "leak 64")
    return [*names, "leak"]


def test_a_worker_without_a_supervisor_ends_between_jobs(start: Start, line: Line) -> None:
    names = submit_a_leak(line)
    submit(line, "next")
    assert start(RECYCLE_DRIFT_BYTES=str(LIMIT)).wait(30) == SUCCESSOR_EXIT_CODE == 75
    assert {(line.fetch(name).status, line.fetch(name).attempts) for name in names} == {(JobStatus.SUCCEEDED, 1)}
    assert line.fetch("next").status is JobStatus.QUEUED
    assert not line.client.smembers("rq:workers")
    start()
    assert reach(line, "next", JobStatus.SUCCEEDED).attempts == 1
    assert line.leftovers() == set()


def test_a_worker_asks_its_supervisor_once_and_works_on(start: Start, line: Line, requests: list[int]) -> None:
    worker = start(RECYCLE_DRIFT_BYTES=str(LIMIT), SUPERVISOR_PID=str(os.getpid()))
    submit_a_leak(line)
    wait_until(lambda: requests, 30)
    submit(line, "next")
    reach(line, "next", JobStatus.SUCCEEDED)
    assert worker.poll() is None
    assert len(requests) == 1


def test_a_worker_beside_which_there_is_no_room_ends_first(start: Start, line: Line, requests: list[int]) -> None:
    submit(line, "full", "crowd")
    submit_a_leak(line)
    worker = start(RECYCLE_DRIFT_BYTES=str(LIMIT), SUPERVISOR_PID=str(os.getpid()))
    assert worker.wait(30) == SUCCESSOR_EXIT_CODE
    assert requests == []


def shown_pid(line: Line) -> int:
    """Who stands in /readyz under the name, ready."""
    text = line.client.hget("darkroom:workers", "w")
    state = WorkerState.model_validate_json(text.partition(" ")[2]) if text else None
    return state.pid if state and state.state == "ready" else 0


def start_pair(start: Start, line: Line, prompt: str) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """A worker in the middle of job `a`, and its successor."""
    first = start()
    submit(line, "a", prompt)
    running(line, "a")
    return first, start(PREDECESSOR_PID=str(first.pid))


def test_a_successor_waits_unseen_until_the_running_job_is_done(start: Start, line: Line) -> None:
    first, second = start_pair(start, line, "steps 120")
    submit(line, "b")
    while first.poll() is None:
        assert shown_pid(line) in (first.pid, second.pid)
        if line.fetch("a").status is JobStatus.RUNNING:
            assert shown_pid(line) == first.pid
    assert first.returncode == 0
    assert reach(line, "b", JobStatus.SUCCEEDED).attempts == 1
    assert (line.fetch("a").status, line.fetch("a").attempts) == (JobStatus.SUCCEEDED, 1)
    assert shown_pid(line) == second.pid
    assert line.leftovers() == set()


def test_a_worker_with_a_successor_still_obeys_a_signal_to_stop(start: Start, line: Line) -> None:
    first = start(SHUTDOWN_GRACE_SECONDS="0.2")
    submit(line, "a", "steps 400")
    running(line, "a")
    first.send_signal(signal.SIGUSR1)
    running(line, "a", step=line.fetch("a").progress.step + 20)  # type: ignore[union-attr]
    assert end(first, signal.SIGTERM) == 0
    assert line.fetch("a").status is JobStatus.QUEUED
    assert not line.client.hexists("rq:job:a", "crashes")


def test_a_predecessor_that_is_killed_leaves_its_job_to_its_successor(start: Start, line: Line) -> None:
    first, second = start_pair(start, line, "steps 120")
    waits_for_the_name(second)
    end(first, signal.SIGKILL)
    assert reach(line, "a", JobStatus.SUCCEEDED).attempts == 2
    assert shown_pid(line) == second.pid
    assert line.leftovers() == set()


def test_a_successor_that_is_killed_costs_nothing(start: Start, line: Line) -> None:
    first, second = start_pair(start, line, "steps 80")
    waits_for_the_name(second)
    end(second, signal.SIGKILL)
    assert first.wait(30) == 0
    assert (line.fetch("a").status, line.fetch("a").attempts) == (JobStatus.SUCCEEDED, 1)


def test_a_successor_that_cannot_load_leaves_its_predecessor_alone(start: Start, line: Line) -> None:
    first = start()
    wait_until(lambda: shown_pid(line) == first.pid, 20)
    assert start(PREDECESSOR_PID=str(first.pid), MODELS="nowhere.toml").wait(30) == 1
    submit(line, "a")
    reach(line, "a", JobStatus.SUCCEEDED)
    assert first.poll() is None
    assert shown_pid(line) == first.pid


def waits_for_the_name(process: subprocess.Popen[bytes]) -> None:
    """By what the system says of it: it sleeps until a file's lock is free."""
    wait_until(lambda: waits_for_a_lock(process.pid), 30)


def waits_for_a_lock(pid: int) -> bool:
    with open("/proc/locks") as locks:
        return any("->" in each and f" {pid} " in each for each in locks)
