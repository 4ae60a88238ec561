"""A process that is restarted, replaced and stopped: real ones, that do nothing else."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from darkroom.processes import Child, Watchdog
from tests.conftest import wait_until

WAIT_FOR_A_SIGNAL = """
import os, signal, sys, pathlib, time
file = pathlib.Path(os.environ["STARTED"], str(os.getpid()))
def touch():
    file.touch()
    now = time.time_ns()  # a file's own time is as exact as a tick of the kernel
    os.utime(file, ns=(now, now))
def end(number, frame):
    touch()
    sys.exit(int(os.environ.get("CODE", 0)))
signal.signal(signal.SIGUSR1, end)
signal.signal(signal.SIGTERM, end)
touch()
while True:
    signal.pause()
"""

Make = Callable[..., Child]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a child that ends with CODE on SIGUSR1; touches a file named after its pid when it starts and ends."""
    watchdog, made = Watchdog(), []

    def make_child(**environment: str) -> Child:
        command = [sys.executable, "-c", WAIT_FOR_A_SIGNAL]
        child = Child("worker", command, {"STARTED": str(tmp_path)} | environment, watchdog)
        child.start()
        made.append(child)
        return child

    yield make_child
    for child in made:
        child.stop(1, lambda: True)
    watchdog.close()


def started(folder: Path, count: int) -> list[int]:
    """The pids of the processes that have started or ended so far, in that order, once there are that many."""

    def all_there() -> list[Path] | None:
        paths = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return paths if len(paths) == count else None

    return [int(path.name) for path in wait_until(all_there)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def news(child: Child) -> str:
    words: str = wait_until(child.keep_alive)
    return words


def signal_child(child: Child, number: signal.Signals) -> None:
    assert child.pid is not None
    os.kill(child.pid, number)


def test_a_successor_takes_the_place_of_a_process_that_ended_well(make: Make, tmp_path: Path) -> None:
    child = make()
    first = started(tmp_path, 1)
    assert child.start_successor({"CODE": "3"}) == "the worker is about to be replaced; memory has grown"
    pids = started(tmp_path, 2)
    assert child.pid == first[0]
    assert child.keep_alive() is None
    signal_child(child, signal.SIGUSR1)
    assert news(child) == "the worker was replaced; memory had grown"
    assert child.pid == pids[1]
    assert child.running
    signal_child(child, signal.SIGUSR1)
    assert news(child) == "the worker ended (exit code 3); restarting"


def test_a_successor_takes_the_place_of_a_process_that_was_killed(make: Make, tmp_path: Path) -> None:
    child = make()
    child.start_successor({})
    first = child.pid
    pids = started(tmp_path, 2)
    signal_child(child, signal.SIGKILL)
    assert news(child) == "the worker ended (signal SIGKILL); its successor takes over"
    assert {first, child.pid} == set(pids)
    assert child.running


def test_a_successor_that_ends_first_is_forgotten_and_can_be_asked_for_again(make: Make, tmp_path: Path) -> None:
    child = make()
    first = started(tmp_path, 1)[0]
    child.start_successor({})
    os.kill(started(tmp_path, 2)[1], signal.SIGKILL)
    assert news(child) == "the worker's successor ended (signal SIGKILL); the worker stays"
    assert child.pid == first
    assert child.running
    assert child.start_successor({}) is not None
    started(tmp_path, 3)


def test_there_is_one_successor_at_a_time_and_none_of_nobody(make: Make, tmp_path: Path) -> None:
    child = make()
    child.start_successor({})
    assert child.start_successor({}) is None
    started(tmp_path, 2)
    child.stop(5, lambda: False)
    assert child.start_successor({}) is None
    assert child.pid is None


def test_stopping_ends_both_and_the_successor_first(make: Make, tmp_path: Path) -> None:
    child = make()
    started(tmp_path, 1)
    child.start_successor({})
    first, successor = pids = started(tmp_path, 2)
    child.stop(5, lambda: False)
    assert not any(alive(pid) for pid in pids)
    assert started(tmp_path, 2) == [successor, first]


def test_a_process_that_asks_to_be_started_anew_never_waits(make: Make, tmp_path: Path) -> None:
    child = make(CODE="75")
    for count in range(1, 5):
        started(tmp_path, count)
        signal_child(child, signal.SIGUSR1)
        assert news(child) == "the worker ended to be replaced, memory had grown; restarting"
        began = time.monotonic()
        wait_until(lambda: (child.keep_alive(), child.running)[1])
        assert time.monotonic() - began < 0.5


def test_a_process_that_cannot_be_configured_is_not_started_again(make: Make, tmp_path: Path) -> None:
    child = make(CODE="78")
    started(tmp_path, 1)
    assert not child.misconfigured
    signal_child(child, signal.SIGUSR1)
    assert news(child) == "the worker ended (exit code 78)"
    assert child.misconfigured


def test_a_process_that_fails_waits_longer_and_longer(make: Make, tmp_path: Path) -> None:
    child = make(CODE="1")
    said = []
    for count in range(1, 3):
        started(tmp_path, count)
        signal_child(child, signal.SIGUSR1)
        said.append(news(child))
        wait_until(lambda: (child.keep_alive(), child.running)[1])
    assert said == ["the worker ended (exit code 1); restarting", "the worker ended (exit code 1); restarting in 1 s"]
